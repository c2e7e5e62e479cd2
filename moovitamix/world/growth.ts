import { drawListener, type Listener } from "./listeners.ts";
import { addToPool, createPool, drawFromPool, type Pool } from "./pool.ts";
import { createRandom, type Random } from "./random.ts";
import { formatTimestamp, HISTORY_END_US } from "./records.ts";
import { drawLength, playSession } from "./sessions.ts";
import { createRelease, GENRES, publishRelease } from "./tracks.ts";
import type { World } from "./world.ts";

const SESSIONS_PER_CHANGE = 10;
const SESSIONS_PER_USER = 20;
const SESSIONS_PER_TRACK = 25;
/** Who reads users and tracks before the history must not meet a session of somebody unknown. */
const TICKS_UNTIL_HEARD = 5;

interface Growth {
  world: World;
  random: Random;
  now: () => Date;
  listeners: Pool<Listener>;
  lastUs: number;
  tick: number;
  sessions: number;
  waiting: { fromTick: number; join: () => void }[];
}

/** A function that adds so many sessions, and now and then a user, a track or a changed record. Each call is one tick. */
export function createGrowth(
  world: World,
  options: { seed: number; now: () => Date },
): (sessions: number) => void {
  const listeners = createPool<Listener>();
  for (const listener of world.audience.all) addToPool(listeners, listener, listener.weight);
  const growth: Growth = {
    world,
    random: createRandom(`${options.seed}/growth`),
    now: options.now,
    listeners,
    lastUs: HISTORY_END_US,
    tick: 0,
    sessions: 0,
    waiting: [],
  };
  return (sessions) => growByTick(growth, sessions);
}

function growByTick(growth: Growth, sessions: number): void {
  growth.tick += 1;
  const ready = growth.waiting.filter((entry) => entry.fromTick <= growth.tick);
  growth.waiting = growth.waiting.filter((entry) => entry.fromTick > growth.tick);
  for (const entry of ready) entry.join();
  const known = {
    users: new Set(growth.world.data.users.map(({ id }) => id)),
    tracks: new Set(growth.world.data.tracks.map(({ id }) => id)),
  };
  for (let count = 0; count < sessions; count++) {
    growth.sessions += 1;
    addSession(growth, known);
    if (growth.sessions % SESSIONS_PER_CHANGE === 0) changeRecord(growth);
    if (growth.sessions % SESSIONS_PER_USER === 0) addUser(growth);
    if (growth.sessions % SESSIONS_PER_TRACK === 0) addTrack(growth);
  }
}

/** Later than everything before it, also while the clock stands still. */
function nextMoment(growth: Growth): number {
  growth.lastUs = Math.max(growth.now().getTime() * 1000 + growth.random.integer(0, 999), growth.lastUs + 1);
  return growth.lastUs;
}

function addSession(growth: Growth, known: { users: Set<number>; tracks: Set<number> }): void {
  const { world, random } = growth;
  const listener = drawFromPool(growth.listeners, random);
  if (!listener || !known.users.has(listener.user.id) || world.library.all.items.length === 0) return;
  const startUs = nextMoment(growth);
  const row = playSession(listener, { library: world.library, startUs, length: drawLength(random), random });
  const items = row.items?.filter((id) => known.tracks.has(id)) ?? [];
  if (items.length > 0) world.data.listen_history.push({ ...row, items, updated_at: row.created_at });
}

function addUser(growth: Growth): void {
  const { audience, data, library } = growth.world;
  const listener = drawListener(audience, { createdUs: nextMoment(growth), library });
  data.users.push(listener.user);
  growth.waiting.push({
    fromTick: growth.tick + TICKS_UNTIL_HEARD,
    join: () => addToPool(growth.listeners, listener, listener.weight),
  });
}

function addTrack(growth: Growth): void {
  const { data, library } = growth.world;
  const release = createRelease(library, nextMoment(growth));
  data.tracks.push(release.track);
  growth.waiting.push({
    fromTick: growth.tick + TICKS_UNTIL_HEARD,
    join: () => publishRelease(library, release, 1 / (growth.random.integer(0, 200) + 5)),
  });
}

/** By turns a user's favourites, a track's album and a session that went on with a track of its own. */
function changeRecord(growth: Growth): void {
  const { data } = growth.world;
  const turn = (growth.sessions / SESSIONS_PER_CHANGE) % 3;
  const updated_at = formatTimestamp(nextMoment(growth));
  const user = pickAny(data.users, growth.random);
  const track = pickAny(data.tracks, growth.random);
  const session = pickAny(data.listen_history.slice(-20), growth.random);
  if (turn === 0 && session) {
    Object.assign(session, {
      items: [...(session.items ?? []), ...(session.items ?? []).slice(0, 1)],
      updated_at,
    });
  } else if (turn === 1 && user) {
    Object.assign(user, { favorite_genres: growth.random.pick(GENRES), updated_at });
  } else if (track) {
    Object.assign(track, {
      album: `${track.album.replace(/ \(Remastered\)$/, "")} (Remastered)`,
      updated_at,
    });
  }
}

function pickAny<T>(list: readonly T[], random: Random): T | undefined {
  return list[random.integer(0, list.length - 1)];
}
