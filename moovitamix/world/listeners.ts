import { drawPerson } from "./names.ts";
import { addToPool, createPool, drawFromPool, type Pool } from "./pool.ts";
import { createIds, createRandom, type Random } from "./random.ts";
import {
  DAY_US,
  drawMoment,
  formatTimestamp,
  HISTORY_END_US,
  HISTORY_START_US,
  stampRecord,
  type User,
} from "./records.ts";
import { drawGenres, type Release, type TrackLibrary } from "./tracks.ts";

/** A user and the taste behind what the user plays. */
export interface Listener {
  user: User;
  createdUs: number;
  /** How often the user listens, against others. */
  weight: number;
  genres: Pool<string>;
  artists: string[];
  /** Tracks that the user comes back to. */
  loved: Release[];
}

export interface Audience {
  all: Listener[];
  nextId: () => number;
  random: Random;
}

/** One user in forty never listens to anything. */
const SILENT_SHARE = 0.025;
/** One user in so many shares the e-mail of another. */
const USERS_PER_REPEATED_EMAIL = 400;

/** All users of the start. Three in ten joined within the year of the history, the others before. */
export function createAudience(seed: number, options: { count: number; library: TrackLibrary }): Audience {
  const audience: Audience = {
    all: [],
    nextId: createIds(createRandom(`${seed}/user ids`)),
    random: createRandom(`${seed}/users`),
  };
  const { random } = audience;
  for (let index = 0; index < options.count; index++) {
    const createdUs = random.chance(0.3)
      ? drawMoment(HISTORY_START_US, HISTORY_END_US - 10 * DAY_US, random)
      : drawMoment(HISTORY_START_US - 900 * DAY_US, HISTORY_START_US, random);
    const listener = drawListener(audience, { createdUs, library: options.library });
    Object.assign(listener.user, stampRecord(createdUs, random));
    if (index % USERS_PER_REPEATED_EMAIL === USERS_PER_REPEATED_EMAIL - 1) {
      listener.user.email = random.pick(audience.all).user.email;
    }
    audience.all.push(listener);
  }
  return audience;
}

/** A new user, created and updated at the moment given. */
export function drawListener(
  audience: Audience,
  options: { createdUs: number; library: TrackLibrary },
): Listener {
  const { random } = audience;
  const names = drawGenres(random.integer(1, 3), random);
  const genres = createPool<string>();
  for (const [rank, genre] of names.entries()) addToPool(genres, genre, 1 / (rank + 1));
  const stamp = formatTimestamp(options.createdUs);
  const user = {
    id: audience.nextId(),
    ...drawPerson(random),
    favorite_genres: names.join(", "),
    created_at: stamp,
    updated_at: stamp,
  };
  const weight = random.chance(SILENT_SHARE) ? 0 : 1 / (0.03 + random.next());
  const artists = drawFavoriteArtists(genres, options.library, random);
  return { user, createdUs: options.createdUs, weight, genres, artists, loved: [] };
}

function drawFavoriteArtists(genres: Pool<string>, library: TrackLibrary, random: Random): string[] {
  const names = new Set<string>();
  for (let round = random.integer(2, 6); round > 0; round--) {
    const pool = library.artistsByGenre.get(drawFromPool(genres, random) ?? "");
    const artist = pool && drawFromPool(pool, random);
    if (artist) names.add(artist.name);
  }
  return [...names];
}
