import { createBlocking } from "../rules.ts";
import type { Rules } from "../settings.ts";
import type { Snapshot } from "./snapshot.ts";
import type { ServedItem } from "./store.ts";

/** A list as the rules let it be: without blocked tracks, and with the first tracks of an artist, as many as may be. */
export type Ruling = (items: readonly ServedItem[]) => ServedItem[];

/** By the rules of today, whatever they were when the lists were made. */
export function createRuling(rules: Rules, snapshot: Pick<Snapshot, "track">): Ruling {
  const isBlocked = createBlocking(rules);
  const genresOf = (id: string) => (rules.blocked_genres.length > 0 ? snapshot.track(id)?.genres : undefined);
  return (items) => {
    const perArtist = new Map<string, number>();
    return items.filter(({ track_id, artist }) => {
      if (isBlocked({ id: track_id, artist, genres: genresOf(track_id) ?? [] })) return false;
      const count = (perArtist.get(artist) ?? 0) + 1;
      perArtist.set(artist, count);
      return artist === "" || count <= rules.max_per_artist;
    });
  };
}
