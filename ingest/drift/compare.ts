import { type MemberCount, type MemberCounts, TYPES } from "../contract/members.ts";
import type { SchemaChange } from "./change.ts";

/** Stands among the types for records without the member. */
export const ABSENT = "absent";

/** What is known of a member: by type, `absent` among them, how many records had it when it was first seen. */
export interface KnownMember {
  name: string;
  types: Map<string, { records: number; ofRecords: number }>;
}

/** A row to write: a type of a member that was not known. */
export interface SeenType {
  member: string;
  type: string;
  /** Null where nothing is told of it: in a stream's first load, beside a change of another row. */
  change: SchemaChange["change"] | null;
  former: string | null;
  records: number;
  ofRecords: number;
}

export interface Difference {
  changes: SchemaChange[];
  opened: SeenType[];
  /** Types that members no longer have. */
  closed: { member: string; type: string }[];
}

/** Members that are gone altogether, and those that are new. */
export interface Exchange {
  gone: string[];
  added: string[];
}

/** What part of the records must have had an optional member, for its absence in all that came to be no chance. */
const CHANCE = 0.001;

/** Which members came or went altogether. `concludesMissing` is false of a load of a part that somebody chose. */
export function findExchange(
  known: readonly KnownMember[],
  { records, members, concludesMissing }: Observed,
): Exchange {
  const present = new Set(members.map(({ name }) => name));
  const isKnown = new Set(known.filter(isPresent).map(({ name }) => name));
  const isCertain = ({ types }: KnownMember) => {
    const absent = types.get(ABSENT);
    return absent === undefined || (absent.records / absent.ofRecords) ** records < CHANCE;
  };
  const gone = known.filter((one) => isPresent(one) && !present.has(one.name) && isCertain(one));
  return {
    gone: concludesMissing ? gone.map(({ name }) => name) : [],
    added: [...present].filter((name) => !isKnown.has(name)),
  };
}

const isPresent = ({ types }: KnownMember) => [...types.keys()].some((type) => type !== ABSENT);

export interface Observed {
  records: number;
  members: readonly MemberCount[];
  concludesMissing: boolean;
}

export function observed(counts: MemberCounts, concludesMissing: boolean): Observed {
  return { records: counts.records, members: counts.all(), concludesMissing };
}

/** Compares what came with what is known; `renames` are former names by new ones. */
export function compareMembers(
  known: readonly KnownMember[],
  came: Observed,
  { gone, added, renames }: Exchange & { renames: ReadonlyMap<string, string> },
): Difference {
  const difference: Difference = { changes: [], opened: [], closed: [] };
  const byName = new Map(known.map((one) => [one.name, one]));
  const isFirst = known.length === 0;
  for (const member of came.members) {
    const types = new Map(byName.get(member.name)?.types);
    const isAdded = added.includes(member.name);
    const former = renames.get(member.name) ?? null;
    const kind = former === null ? "new" : "renamed";
    addTypes(difference, member, {
      types,
      ofRecords: came.records,
      ...(isFirst
        ? { change: null, former }
        : isAdded
          ? { change: kind, former }
          : { change: "retyped", former: typeNames(types) }),
    });
    addAbsent(difference, member, { types, ofRecords: came.records, isTold: !isFirst && !isAdded });
  }
  const renamed = new Set(renames.values());
  for (const name of gone) {
    for (const type of byName.get(name)?.types.keys() ?? []) difference.closed.push({ member: name, type });
    const told = { records: came.records, ofRecords: came.records, former: null };
    const change = renamed.has(name) ? null : ("missing" as const);
    difference.opened.push({ ...told, member: name, type: ABSENT, change });
    if (change !== null) difference.changes.push({ ...told, change, member: name, types: [] });
  }
  return difference;
}

const typeNames = (types: ReadonlyMap<string, unknown>) =>
  [...types.keys()].filter((type) => type !== ABSENT).join(", ");

interface Before {
  types: ReadonlyMap<string, unknown>;
  ofRecords: number;
  change: "new" | "renamed" | "retyped" | null;
  former: string | null;
}

function addTypes(
  { changes, opened }: Difference,
  member: MemberCount,
  { types, ofRecords, change, former }: Before,
): void {
  const fresh = TYPES.map((type, place) => ({ type, records: member.counts[place] ?? 0 })).filter(
    ({ type, records }) => records > 0 && !types.has(type),
  );
  for (const one of fresh) opened.push({ ...one, member: member.name, change, former, ofRecords });
  if (fresh.length === 0 || change === null) return;
  const records = fresh.reduce((sum, one) => sum + one.records, 0);
  changes.push({
    change,
    member: member.name,
    former,
    types: fresh.map(({ type }) => type),
    records,
    ofRecords,
  });
}

/** Records without the member, among others that have it. */
function addAbsent(
  { changes, opened, closed }: Difference,
  member: MemberCount,
  { types, ofRecords, isTold }: { types: ReadonlyMap<string, unknown>; ofRecords: number; isTold: boolean },
): void {
  const records = ofRecords - member.counts.reduce((sum, count) => sum + count, 0);
  const isBack = types.has(ABSENT) && types.size === 1;
  if (isBack) closed.push({ member: member.name, type: ABSENT });
  if (records <= 0 || (types.has(ABSENT) && !isBack)) return;
  const change = isTold ? ("missing" as const) : null;
  const row = { former: null, records, ofRecords };
  opened.push({ ...row, member: member.name, type: ABSENT, change });
  if (change !== null) changes.push({ ...row, member: member.name, change, types: [] });
}
