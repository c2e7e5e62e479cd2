import type { Catalogue, Track } from "../../moovitamix/world/records.ts";

const DAY_MS = 86_400_000;
const GENRES = ["Rock", "Jazz", "Techno", "Folk", "Soul", "Metal"];
/** Of each genre, when the story begins and again when tastes drift. */
const TRACKS_PER_GENRE = 80;
const ARTISTS_PER_GENRE = 16;
/** A listener who no longer listens as before. */
const TURN = 2;
const SESSIONS_PER_WEEK = 6;
const TRACKS_PER_SESSION = 3;

export interface PopulationOptions {
  users: number;
  seed: number;
}

/** What a listener does with a shown track. */
export interface Reaction {
  kind: "listen" | "skip";
  listenedMs: number;
}

/**
 * Listeners with two genres each, who come back to what is well known in them. When tastes drift they turn to other
 * genres and to what was released since: nothing that was learned before tells anything of these tracks.
 */
export interface Population {
  /** What the service knows. */
  data: Catalogue;
  /** New tracks come out, and from now on this share of all listening is of the new taste. */
  drift(share: number, at: number): void;
  /** A week of listening from `start` on; milliseconds since 1970. */
  listen(start: number): void;
  react(user: string, track: string): Reaction;
}

export function createPopulation({ users, seed }: PopulationOptions): Population {
  const random = createRandom(seed);
  const tracks: Track[] = [];
  const data: Catalogue = { tracks, users: [], listen_history: [] };
  const generations: Track[][][] = [];
  let drifted = 0;
  const release = (at: number) =>
    generations.push(
      GENRES.map((genre) => releaseGenre(tracks, { genre, at, generation: generations.length })),
    );
  release(Date.UTC(2025, 0, 1));
  for (let place = 0; place < users; place++) data.users.push(userOf(place));

  /** Places of the two genres of a user. */
  const tasteOf = (place: number, isNew: boolean): [number, number] => {
    const first = place % GENRES.length;
    const second = (first + 1 + (Math.floor(place / GENRES.length) % 2)) % GENRES.length;
    const turn = isNew ? TURN : 0;
    return [(first + turn) % GENRES.length, (second + turn) % GENRES.length];
  };
  const play = (place: number): number => {
    const isNew = random() < drifted;
    const [first, second] = tasteOf(place, isNew);
    const chance = random();
    const genre = chance < 0.65 ? first : chance < 0.93 ? second : Math.floor(random() * GENRES.length);
    const pool = generations.at(isNew ? -1 : 0)?.[genre] ?? [];
    // Few are played by many.
    return pool[Math.floor(pool.length * random() ** 1.7)]?.id ?? 0;
  };
  const session = (place: number, at: number) => {
    const time = stamp(at);
    const items = Array.from({ length: TRACKS_PER_SESSION }, () => play(place));
    data.listen_history.push({ user_id: userId(place), items, created_at: time, updated_at: time });
  };
  return {
    data,
    drift: (share, at) => {
      if (generations.length === 1) release(at);
      drifted = share;
    },
    listen: (start) => {
      const step = (7 * DAY_MS) / SESSIONS_PER_WEEK;
      for (let place = 0; place < users; place++)
        for (let turn = 0; turn < SESSIONS_PER_WEEK; turn++)
          session(place, start + turn * step + Math.floor(random() * 0.9 * step));
      // The first of the next week: the last day of this one is over.
      session(0, start + 7 * DAY_MS + 60_000);
    },
    react: (user, track) => {
      const place = Number(user) - FIRST_USER;
      const known = tracks.find(({ id }) => String(id) === track);
      const isNew = random() < drifted;
      const taste = tasteOf(place, isNew).map((genre) => GENRES[genre]);
      const isOfNow = known?.songwriters === `generation ${isNew ? generations.length - 1 : 0}`;
      const liking = isOfNow && taste.includes(known?.genres) ? 0.6 : 0.04;
      return random() < liking ? { kind: "listen", listenedMs: 90_000 } : { kind: "skip", listenedMs: 4_000 };
    },
  };
}

function releaseGenre(
  tracks: Track[],
  { genre, at, generation }: { genre: string; at: number; generation: number },
): Track[] {
  const time = stamp(at);
  const made = Array.from({ length: TRACKS_PER_GENRE }, (_, place): Track => {
    const artist = `${genre} artist ${generation}.${place % ARTISTS_PER_GENRE}`;
    return {
      ...{ id: tracks.length + place + 1, name: `${genre} ${generation}.${place}`, artist },
      ...{ songwriters: `generation ${generation}`, duration: "03:20", genres: genre, album: genre },
      ...{ created_at: time, updated_at: time },
    };
  });
  tracks.push(...made);
  return made;
}

const FIRST_USER = 10_000;
const userId = (place: number) => FIRST_USER + place;

function userOf(place: number): Catalogue["users"][number] {
  const time = stamp(Date.UTC(2025, 0, 1));
  return {
    ...{ id: userId(place), first_name: "A", last_name: `B${place}`, email: `b${place}@example.com` },
    ...{
      gender: "x",
      favorite_genres: GENRES[place % GENRES.length] ?? "",
      created_at: time,
      updated_at: time,
    },
  };
}

/** As the service writes a time. */
function stamp(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19);
}

/** Mulberry32. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
