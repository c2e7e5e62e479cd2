import type { Random } from "./random.ts";

export interface Track {
  id: number;
  name: string;
  artist: string;
  songwriters: string;
  duration: string;
  genres: string;
  album: string;
  created_at: string;
  updated_at: string;
}

export interface User {
  id: number;
  first_name: string;
  last_name: string;
  email: string;
  gender: string;
  favorite_genres: string;
  created_at: string;
  updated_at: string;
}

export interface ListenHistory {
  user_id: number | null;
  items: number[] | null;
  created_at: string;
  updated_at: string;
}

/** The records of the service, in the order in which it answers them. */
export interface Catalogue {
  tracks: Track[];
  users: User[];
  listen_history: ListenHistory[];
}

export type StreamName = keyof Catalogue;
export const STREAMS: readonly StreamName[] = ["tracks", "users", "listen_history"];

/** Moments are whole microseconds since 1970, which a number holds exactly until the year 2255. */
export const DAY_US = 86_400_000_000;
/** The listening that is there at the start ends here, whatever day it is. */
export const HISTORY_END_US = Date.UTC(2026, 10, 1) * 1000;
export const HISTORY_START_US = HISTORY_END_US - 365 * DAY_US;

/** ISO without a zone; the fraction has six digits and is left out when it is zero. */
export function formatTimestamp(microseconds: number): string {
  const text = new Date(Math.floor(microseconds / 1000)).toISOString().slice(0, 19);
  const fraction = microseconds % 1_000_000;
  return fraction === 0 ? text : `${text}.${String(fraction).padStart(6, "0")}`;
}

/** Time stamps with the source's oddity: a quarter of the records were updated before they were created. */
export function stampRecord(
  createdUs: number,
  random: Random,
): Pick<Track & User, "created_at" | "updated_at"> {
  const isOdd = random.chance(0.25);
  const spanUs = isOdd ? -200 * DAY_US : Math.max(0, HISTORY_END_US - createdUs);
  const updatedUs = createdUs + Math.trunc(random.next() * spanUs);
  return { created_at: formatTimestamp(createdUs), updated_at: formatTimestamp(updatedUs) };
}

/** A moment between the two; one in a hundred falls on a whole second. */
export function drawMoment(fromUs: number, toUs: number, random: Random): number {
  const secondUs = fromUs + Math.floor((random.next() * (toUs - fromUs)) / 1_000_000) * 1_000_000;
  const wholeUs = secondUs - (secondUs % 1_000_000);
  const momentUs = random.chance(0.01) ? wholeUs : wholeUs + random.integer(0, 999_999);
  return Math.max(fromUs, momentUs);
}
