import type { RecoSource } from "../tables.ts";

/** What came of tracks that a model's lists have shown. */
export interface Success {
  shown: number;
  successes: number;
}

/** Where outcomes are read. */
export interface Outcomes {
  source: Pick<RecoSource, "engine" | "session">;
  /** The name of `fct_impressions` for SQL. */
  impressions: string;
  /** ISO. What can still come of later ones does not count yet. */
  now: string;
}

export interface Stay {
  /** ISO: shown then or later. */
  shownFrom?: string | undefined;
  /** ISO: all that could come of it had come after this moment, and until that one. */
  settledAfter?: string | undefined;
  settledUntil?: string | undefined;
}

/** By shelf: successes of a version among users whom it knew. */
export async function readSuccess(
  { source: { engine, session }, impressions, now }: Outcomes,
  version: number,
  { shownFrom, settledAfter, settledUntil = now }: Stay = {},
): Promise<Map<string, Success>> {
  const time = timeIn(engine);
  const conditions = [
    `model_version = ${version} and not is_fallback and attributed_until <= ${time(settledUntil)}`,
    ...(shownFrom === undefined ? [] : [`served_at >= ${time(shownFrom)}`]),
    ...(settledAfter === undefined ? [] : [`attributed_until > ${time(settledAfter)}`]),
  ];
  const { rows } = await session.query(
    `select shelf, count(*), count(*) filter (where is_success)
from ${impressions} where ${conditions.join(" and ")} group by shelf order by shelf`,
  );
  return new Map(
    rows.map(([shelf, shown, successes]) => [
      String(shelf),
      { shown: Number(shown), successes: Number(successes) },
    ]),
  );
}

/** When the first and the last track that a version showed had had their time, in ISO; undefined before that. */
export async function readSettled(
  { source: { engine, session }, impressions, now }: Outcomes,
  version: number,
): Promise<{ first: string; last: string } | undefined> {
  const { rows } = await session.query(
    `select ${engine.epochMs("min(attributed_until)")}, ${engine.epochMs("max(attributed_until)")}
from ${impressions} where model_version = ${version} and not is_fallback and attributed_until <= ${timeIn(engine)(now)}`,
  );
  const [first = null, last = null] = rows[0] ?? [];
  if (first === null || last === null) return undefined;
  return { first: new Date(Number(first)).toISOString(), last: new Date(Number(last)).toISOString() };
}

export function timeIn(engine: Pick<RecoSource["engine"], "literal">): (iso: string) => string {
  return (iso) => `cast(${engine.literal(iso.replace("T", " ").replace("Z", ""))} as timestamp)`;
}

export function rateOf({ shown, successes }: Success): number {
  return shown === 0 ? 0 : successes / shown;
}

/** Of the normal distribution: what chance alone gives once in 44 times. */
const CERTAIN = 2;

/**
 * Whether success has fallen by the share `drop`, or more, of what it was, and by more than chance explains: both have
 * the samples asked for, and the z of the two-proportion test with pooled variance is 2 or more.
 */
export function hasDropped(
  before: Success,
  after: Success,
  { drop, minSamples }: { drop: number; minSamples: number },
): boolean {
  if (before.shown < minSamples || after.shown < minSamples) return false;
  const pooled = (before.successes + after.successes) / (before.shown + after.shown);
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / before.shown + 1 / after.shown));
  const fall = rateOf(before) - rateOf(after);
  return fall > 0 && rateOf(after) <= rateOf(before) * (1 - drop) && fall >= CERTAIN * deviation;
}
