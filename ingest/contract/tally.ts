import type { StreamDefinition } from "../../core/sillon.ts";
import { later, type Position, positionOf } from "../cursor/position.ts";
import { type Place, parsePlace, valueAt } from "../records/places.ts";
import type { RawRecord } from "../records/raw-record.ts";
import type { Candidate } from "../records/record.ts";
import { MemberCounts } from "./members.ts";
import { compareValue } from "./values.ts";

/** A record that an error names. */
export interface Example {
  page: number;
  position: number;
  key: string | null;
  /** What is wrong with it. */
  what: string;
}

/** Records that break one bound. */
export interface Breaches {
  count: number;
  /** The first of them. */
  first: Example | null;
}

/** What is known of records that have landed and are not committed yet. */
export interface Tally {
  received: number;
  /** Those that break the stream's contract, wherever they go. */
  invalid: Breaches;
  /** Those that are to be landed. */
  landed: number;
  members: MemberCounts;
  /** By member, among those that are to be landed. */
  nulls: Map<string, Breaches>;
  outside: Map<string, Breaches>;
  newest: Position | null;
}

export function emptyTally(): Tally {
  const invalid = { count: 0, first: null };
  return {
    received: 0,
    invalid,
    landed: 0,
    members: new MemberCounts(),
    nulls: new Map(),
    outside: new Map(),
    newest: null,
  };
}

type Count = (tally: Tally, judged: Judged) => void;

interface Judged {
  candidate: Candidate;
  record: RawRecord;
  page: number;
  position: number;
}

/** Counts a record into a tally, as the stream's contract asks. */
export function tallyFor(stream: StreamDefinition): Count {
  const { contract = {} } = stream;
  const checks = [
    ...Object.keys(contract.nullShare ?? {}).map(nullCheck),
    ...Object.entries(contract.range ?? {}).map(rangeCheck),
    ...(contract.fresh === undefined ? [] : [freshCheck(contract.fresh)]),
  ];
  return (tally, judged) => {
    const { candidate, record } = judged;
    tally.received++;
    if (candidate.broken !== null) countBreach(tally.invalid, judged, candidate.broken);
    if (candidate.isObject && record.isCanonical) tally.members.addValue(Object(record.value));
    else if (candidate.isObject) tally.members.add(candidate.text, candidate.members);
    if (candidate.reason !== null) return;
    tally.landed++;
    for (const check of checks) check(tally, judged);
  };
}

function nullCheck(field: string): Count {
  const place = parsePlace(field);
  return (tally, judged) => {
    if (valueIn(judged, place) == null) countBreach(breachesOf(tally.nulls, field), judged, "none");
  };
}

function rangeCheck([field, { min, max }]: [
  string,
  { min?: number | string; max?: number | string },
]): Count {
  const place = parsePlace(field);
  const isInside = (value: unknown) => {
    const [low, high] = [min, max].map((bound) => (bound === undefined ? 0 : compareValue(value, bound)));
    return low != null && high != null && (min === undefined || low >= 0) && (max === undefined || high <= 0);
  };
  return (tally, judged) => {
    const value = valueIn(judged, place);
    if (value != null && !isInside(value))
      countBreach(breachesOf(tally.outside, field), judged, shorten(JSON.stringify(value)));
  };
}

function freshCheck({ field, unit }: { field: string; unit?: "s" | "ms" }): Count {
  const cursor = { field, ...(unit === undefined ? {} : { unit }) };
  const place = parsePlace(field);
  return (tally, judged) => {
    const value = valueIn(judged, place);
    if (typeof value === "string" || typeof value === "number")
      tally.newest = later(tally.newest, positionOf(cursor, String(value)));
  };
}

const valueIn = ({ record }: Judged, place: Place) => valueAt(record.value, place);

const SHOWN = 60;

function shorten(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

function breachesOf(map: Map<string, Breaches>, field: string): Breaches {
  const known = map.get(field) ?? { count: 0, first: null };
  map.set(field, known);
  return known;
}

function countBreach(breaches: Breaches, { candidate, page, position }: Judged, what: string): void {
  breaches.count++;
  const { first } = breaches;
  if (first === null || page < first.page || (page === first.page && position < first.position))
    breaches.first = { page, position, key: candidate.key, what };
}

/** Adds what another tally has counted. */
export function mergeTally(into: Tally, other: Tally): void {
  into.received += other.received;
  into.landed += other.landed;
  into.members.merge(other.members);
  into.newest = later(into.newest, other.newest);
  mergeBreaches(into.invalid, other.invalid);
  for (const map of ["nulls", "outside"] as const)
    for (const [field, breaches] of other[map]) mergeBreaches(breachesOf(into[map], field), breaches);
}

function mergeBreaches(into: Breaches, { count, first }: Breaches): void {
  into.count += count;
  const isFirst =
    first !== null &&
    (into.first === null ||
      first.page < into.first.page ||
      (first.page === into.first.page && first.position < into.first.position));
  if (isFirst) into.first = first;
}
