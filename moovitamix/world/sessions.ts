import type { Listener } from "./listeners.ts";
import { addToPool, createPool, drawFromPool, type Pool } from "./pool.ts";
import { createRandom, type Random, shuffle } from "./random.ts";
import {
  DAY_US,
  formatTimestamp,
  HISTORY_END_US,
  HISTORY_START_US,
  type ListenHistory,
  type Track,
} from "./records.ts";
import type { Release, TrackLibrary } from "./tracks.ts";

const HOUR_US = DAY_US / 24;
const MAX_LOVED = 25;
/** How much is listened to in each hour of the day and on each day of the week, from Sunday. */
const HOUR_WEIGHTS = [2, 1, 1, 1, 1, 2, 4, 7, 8, 6, 5, 5, 6, 6, 5, 5, 6, 8, 9, 9, 9, 8, 6, 4];
const WEEKDAY_WEIGHTS = [0.9, 0.6, 0.6, 0.65, 0.7, 0.95, 1];

/** The listening of the year before the history's end, in no visible order; `plays` tracks in all. */
export function createHistory(
  seed: number,
  options: { plays: number; listeners: readonly Listener[]; library: TrackLibrary },
): ListenHistory[] {
  const { listeners, library } = options;
  const random = createRandom(`${seed}/listen_history`);
  const active = listeners.filter((listener) => listener.weight > 0);
  if (active.length === 0 || library.all.items.length === 0) return [];
  const hours = poolOfWeights(HOUR_WEIGHTS);
  const rows: ListenHistory[] = [];
  for (const [listener, lengths] of dealSessions(active, drawLengths(options.plays, random), random)) {
    const starts = lengths.map(() => drawStart(listener, hours, random)).sort((left, right) => left - right);
    for (const [index, length] of lengths.entries()) {
      const startUs = starts[index] ?? HISTORY_END_US;
      rows.push(playSession(listener, { library, startUs, length, random }));
    }
  }
  return shuffle(rows, random);
}

/** Mostly around five tracks, at most twelve. */
export function drawLength(random: Random): number {
  const usual = 1 + random.integer(0, 4) + random.integer(0, 4);
  return random.chance(0.05) ? usual + 3 : usual;
}

/** One row of history. The tracks of a session differ, as far as there are enough of them. */
export function playSession(
  listener: Listener,
  options: { library: TrackLibrary; startUs: number; length: number; random: Random },
): ListenHistory {
  const tracks = new Map<number, Track>();
  const items: number[] = [];
  let misses = 0;
  while (items.length < options.length) {
    const release = drawRelease(listener, options);
    const isRefused = tracks.has(release.track.id) || !isPlausible(release, options);
    if (isRefused && misses++ < 50) continue;
    tracks.set(release.track.id, release.track);
    items.push(release.track.id);
  }
  const created_at = formatTimestamp(options.startUs);
  const updated_at = formatTimestamp(options.startUs + playedUs([...tracks.values()]));
  return { user_id: listener.user.id, items, created_at, updated_at };
}

/** Few tracks are heard before their date of creation; the source has such cases. */
function isPlausible(release: Release, options: { startUs: number; random: Random }): boolean {
  return release.createdUs <= options.startUs || options.random.chance(0.02);
}

/** Loved tracks, favourite artists, favourite genres, and a rest from anywhere. */
function drawRelease(listener: Listener, options: { library: TrackLibrary; random: Random }): Release {
  const { library, random } = options;
  const way = random.next();
  if (way < 0.3 && listener.loved.length > 0) return random.pick(listener.loved);
  const pool =
    way < 0.55 && listener.artists.length > 0
      ? library.byArtist.get(random.pick(listener.artists))
      : library.byGenre.get(way < 0.9 ? (drawFromPool(listener.genres, random) ?? "") : "");
  const release = drawFromPool(pool ?? library.all, random);
  if (release === undefined) throw new Error("a session needs at least one track to play");
  if (random.chance(0.2)) loveRelease(listener, release);
  return release;
}

function loveRelease(listener: Listener, release: Release): void {
  if (listener.loved.includes(release)) return;
  listener.loved.push(release);
  if (listener.loved.length > MAX_LOVED) listener.loved.shift();
}

/** Two halves: one session for each listener as far as it reaches, the rest by how much each one listens. */
function dealSessions(listeners: Listener[], lengths: number[], random: Random): Map<Listener, number[]> {
  const pool = createPool<Listener>();
  for (const listener of listeners) addToPool(pool, listener, listener.weight * memberShare(listener));
  const firstRound = shuffle(listeners, random).slice(0, Math.ceil(lengths.length / 2));
  const dealt = new Map<Listener, number[]>();
  for (const [index, length] of lengths.entries()) {
    const listener = firstRound[index] ?? drawFromPool(pool, random);
    if (!listener) continue;
    const own = dealt.get(listener) ?? [];
    own.push(length);
    dealt.set(listener, own);
  }
  return dealt;
}

/** The part of the year in which the user was there. */
function memberShare(listener: Listener): number {
  const fromUs = Math.max(listener.createdUs, HISTORY_START_US);
  return (HISTORY_END_US - fromUs) / (HISTORY_END_US - HISTORY_START_US);
}

function drawLengths(plays: number, random: Random): number[] {
  const lengths: number[] = [];
  for (let left = plays; left > 0; ) {
    const length = Math.min(left, drawLength(random));
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

/** A moment while the user was there, at the hours and on the days when people listen. */
function drawStart(listener: Listener, hours: Pool<number>, random: Random): number {
  const firstDay = Math.ceil(Math.max(listener.createdUs, HISTORY_START_US) / DAY_US);
  const lastDay = HISTORY_END_US / DAY_US - 1;
  for (;;) {
    const day = random.integer(firstDay, lastDay);
    // Day 0 of 1970 was a Thursday.
    if (!random.chance(WEEKDAY_WEIGHTS[(day + 4) % 7] ?? 1)) continue;
    const hour = drawFromPool(hours, random) ?? 0;
    return day * DAY_US + hour * HOUR_US + random.integer(0, 3599) * 1_000_000 + random.integer(0, 999_999);
  }
}

function poolOfWeights(weights: readonly number[]): Pool<number> {
  const pool = createPool<number>();
  for (const [value, weight] of weights.entries()) addToPool(pool, value, weight);
  return pool;
}

function playedUs(tracks: readonly Track[]): number {
  const seconds = tracks.map(({ duration }) => {
    const [minutes = 0, rest = 0] = duration.split(":").map(Number);
    return minutes * 60 + rest;
  });
  return seconds.reduce((sum, value) => sum + value, 0) * 1_000_000;
}
