import type { StreamDefinition } from "../../core/sillon.ts";
import type { Session } from "../../engines/engine.ts";
import { acceptedTypes, faultOfTypes } from "../contract/by-types.ts";
import { TYPES } from "../contract/members.ts";
import { emptyTally, type Tally } from "../contract/tally.ts";
import { LETTERS, lettersOf, type RowLines, type RowTypes } from "../records/row-types.ts";

const TYPES_COLUMN = "types";

/** A landing table for rows, whose types it keeps. */
export async function widenForLines(session: Session, table: string): Promise<void> {
  await session.run(`alter table ${table} add column if not exists ${TYPES_COLUMN} varchar`);
}

/** Returns how many rows landed. A row that breaks the contract is only marked so, until `judgeLines`. */
export function landLines(
  { session, stream, table }: { session: Session; stream: StreamDefinition; table: string },
  { number, text, types }: RowLines,
): Promise<number> {
  const accepted = acceptedTypes(stream, types);
  return session.landLines(table, { text, page: number, isKeyQuoted: types.isKeyQuoted, accepted });
}

/** Writes the reason into each row that breaks the contract, and counts all. */
export async function judgeLines(
  { session, stream, table }: { session: Session; stream: StreamDefinition; table: string },
  row: RowTypes,
): Promise<Tally> {
  const { rows } = await session.query(
    `select types, count(*), count(reason) from ${table} group by types order by types`,
  );
  const tally = tallyOfTypes(row, rows);
  if (tally.invalid.count === 0) return tally;
  const reasons = faultsOfTypes(stream, row, rows);
  const whens = reasons.map((_, index) => `when $${2 * index + 1} then $${2 * index + 2}`).join(" ");
  await session.run(
    `update ${table} set reason = case types ${whens} end where reason is not null`,
    reasons.flat(),
  );
  tally.invalid.first = await firstInvalid(session, table);
  return tally;
}

/** Of types, how many rows have them, and how many of those break the contract. */
export function tallyOfTypes(row: RowTypes, counted: readonly (readonly unknown[])[]): Tally {
  const tally = emptyTally();
  for (const [types, count, broken] of counted) {
    tally.received += Number(count);
    tally.landed += Number(count) - Number(broken);
    tally.invalid.count += Number(broken);
    const letters = lettersOf(row, String(types));
    const members = row.members.map(({ name }, place) => ({
      name,
      type: TYPES.indexOf(LETTERS[letters[place] ?? ""] ?? "null"),
    }));
    tally.members.addMany(members, Number(count));
  }
  return tally;
}

/** Types whose rows break the contract, each with what they break. */
export function faultsOfTypes(
  stream: StreamDefinition,
  row: RowTypes,
  counted: readonly (readonly unknown[])[],
): [types: string, fault: string][] {
  return counted
    .filter(([, , broken]) => Number(broken) > 0)
    .map(([types]) => [String(types), faultOfTypes(stream, row, String(types)) ?? ""]);
}

export async function firstInvalid(session: Session, table: string): Promise<Tally["invalid"]["first"]> {
  const { rows } = await session.query(
    `select "key", page, "position", reason from ${table} where reason is not null order by page, "position" limit 1`,
  );
  const [key = null, page, position, what] = rows[0] ?? [];
  return {
    key: key === null ? null : String(key),
    page: Number(page),
    position: Number(position),
    what: String(what),
  };
}
