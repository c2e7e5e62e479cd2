import type { ContractDefinition } from "../../core/sillon.ts";
import type { Position } from "../cursor/position.ts";
import { positionAt } from "../cursor/position.ts";
import type { Breaches, Example, Tally } from "./tally.ts";

/** What is judged before a commit: the part that is about to be committed, and all of its load that has come. */
export interface Batch {
  part: Tally;
  load: { received: number; newest: Position | null };
  /** Records that the source gave, those left out because nobody asked for them among them. */
  given: number;
  /** Of a load at its end, when it asked for all: the announced total, if there was one. */
  whole: { total: number | null } | null;
  /** Keys that came more than once; null when nobody asks. */
  repeated: Breaches | null;
  /** When the load began. */
  now: Date;
}

/** A check that does not hold. */
export interface BrokenCheck {
  /** `range.duration`, `rows.min`: the place in the contract. */
  check: string;
  /** The bound, as a person reads it. */
  bound: string;
  found: string;
}

/** The checks of a contract that a batch breaks. */
export function brokenChecks(contract: ContractDefinition, batch: Batch): BrokenCheck[] {
  const { part, repeated } = batch;
  const broken = [...rowChecks(contract, batch)];
  if (repeated !== null && repeated.count > 0)
    broken.push({
      check: "unique",
      bound: "each key once",
      found: `${keys(repeated.count)} more than once${exampleText(repeated.first)}`,
    });
  for (const [field, most] of Object.entries(contract.nullShare ?? {})) {
    const { count = 0, first = null } = part.nulls.get(field) ?? {};
    if (count > most * part.landed)
      broken.push({
        check: `nullShare.${field}`,
        bound: `null or missing in a share of ${most} at most`,
        found: `${shareText(count, part.landed)} (${count} of ${records(part.landed)}${exampleText(first)})`,
      });
  }
  for (const [field, { min, max }] of Object.entries(contract.range ?? {})) {
    const outside = part.outside.get(field);
    if (outside === undefined) continue;
    const bounds = [
      ...(min === undefined ? [] : [`at least ${min}`]),
      ...(max === undefined ? [] : [`at most ${max}`]),
    ];
    broken.push({
      check: `range.${field}`,
      bound: bounds.join(" and "),
      found: `${outside.first?.what} in ${records(outside.count)}${exampleText(outside.first)}`,
    });
  }
  return [...broken, ...freshCheck(contract, batch)];
}

function rowChecks({ rows = {} }: ContractDefinition, { load, given, whole }: Batch): BrokenCheck[] {
  const broken: BrokenCheck[] = [];
  const found = records(load.received);
  const { min, max, announced } = rows;
  if (max !== undefined && load.received > max)
    broken.push({ check: "rows.max", bound: `${records(max)} at most`, found });
  if (whole === null) return broken;
  if (min !== undefined && load.received < min)
    broken.push({ check: "rows.min", bound: `${records(min)} at least`, found });
  if (announced === undefined) return broken;
  const { total } = whole;
  const bound = `within a share of ${announced} of the announced total`;
  if (total === null) broken.push({ check: "rows.announced", bound, found: "no total was announced" });
  else if (Math.abs(given - total) > announced * total)
    broken.push({ check: "rows.announced", bound: `${bound}, ${total}`, found: records(given) });
  return broken;
}

function freshCheck({ fresh }: ContractDefinition, { load, whole, now }: Batch): BrokenCheck[] {
  if (fresh === undefined || whole === null || load.received === 0) return [];
  const { field, maxAgeSeconds, unit } = fresh;
  const limit = positionAt(
    { field, ...(unit === undefined ? {} : { unit }) },
    new Date(now.getTime() - maxAgeSeconds * 1000),
  );
  const { newest } = load;
  if (newest !== null && limit !== null && newest.order >= limit.order) return [];
  const bound = `the newest "${field}" to be ${limit?.text} or later (${maxAgeSeconds} s before the load)`;
  const found = newest === null ? "no record with a time there" : newest.text;
  return [{ check: "fresh", bound, found }];
}

const keys = (count: number) => `${count} ${count === 1 ? "key" : "keys"}`;
export const records = (count: number) => `${count} ${count === 1 ? "record" : "records"}`;

/** Rounded to what a person compares. */
export function shareText(count: number, of: number): string {
  return String(Number((of === 0 ? 0 : count / of).toPrecision(3)));
}

export function exampleText(example: Example | null): string {
  if (example === null) return "";
  const key = example.key === null ? "" : `, key ${example.key}`;
  return `; the first on page ${example.page}, record ${example.position}${key}`;
}
