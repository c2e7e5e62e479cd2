import { type Audience, createAudience } from "./listeners.ts";
import { createRandom, shuffle } from "./random.ts";
import type { Catalogue } from "./records.ts";
import { createHistory } from "./sessions.ts";
import { createTrackLibrary, type TrackLibrary } from "./tracks.ts";

/** The records together with what made them, so that more of the same kind can follow. */
export interface World {
  data: Catalogue;
  library: TrackLibrary;
  audience: Audience;
}

/** The same seed and sizes give the same records on any day. */
export function createWorld(seed: number, sizes: { users: number; tracks: number; plays: number }): World {
  const library = createTrackLibrary(seed, sizes.tracks);
  const audience = createAudience(seed, { count: sizes.users, library });
  const listen_history = createHistory(seed, { plays: sizes.plays, listeners: audience.all, library });
  const order = createRandom(`${seed}/order`);
  const tracks = shuffle(
    library.all.items.map(({ track }) => track),
    order,
  );
  const users = shuffle(
    audience.all.map(({ user }) => user),
    order,
  );
  return { data: { tracks, users, listen_history }, library, audience };
}
