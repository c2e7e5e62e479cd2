import { relationKey } from "../../engines/engine.ts";
import { FIRST_LISTS, RAW_FIRST_LISTS, RAW_RECOMMENDATIONS } from "../infer/raw-table.ts";
import type { RecoSource } from "../tables.ts";

/** The lists of today beside the first ones that the same model made. */
export interface ListOverlap {
  /** Mean share of a user's first list that is on today's, too. */
  overlap: number;
  users: number;
}

/** Whether there are lists of this version to compare, and when they were made (ISO). */
export async function readListTime(
  { engine, session }: RecoSource,
  version: number,
): Promise<string | undefined> {
  const existing = await engine.relations();
  if (![RAW_FIRST_LISTS, RAW_RECOMMENDATIONS].every((one) => existing.has(relationKey(one))))
    return undefined;
  const { rows } = await session.query(
    `select ${engine.epochMs("max(recommended_at)")} from ${engine.nameOf(RAW_RECOMMENDATIONS)} where model_version = ${version}`,
  );
  const found = rows[0]?.[0];
  return found === null || found === undefined ? undefined : new Date(Number(found)).toISOString();
}

/** Scores of both, as `divergenceQuery` wants them. */
export function scoreSamples({ engine }: RecoSource, version: number): string {
  return `select 'predictions' as kind, 'score' as measure, 'reference' as side, score as number,
  cast(null as varchar) as category, count(*) as n
from ${engine.nameOf(RAW_FIRST_LISTS)} where model_version = ${version} group by score
union all
select 'predictions', 'score', 'current', score, null, count(*) from (${today(engine, version)}) as today group by score`;
}

function today(engine: RecoSource["engine"], version: number): string {
  return `select user_id, track_id, score from ${engine.nameOf(RAW_RECOMMENDATIONS)}
where model_version = ${version} and shelf = ${engine.literal(FIRST_LISTS.shelf)} and rank <= ${FIRST_LISTS.depth}`;
}

/** Of users who have both. */
export async function readOverlap({ engine, session }: RecoSource, version: number): Promise<ListOverlap> {
  const { rows } = await session.query(
    `with today as (${today(engine, version)}),
first as (select user_id, track_id from ${engine.nameOf(RAW_FIRST_LISTS)} where model_version = ${version}),
shares as (
  select first.user_id, count(today.track_id) / cast(count(*) as double) as share
  from first
  left join today on today.user_id = first.user_id and today.track_id = first.track_id
  where first.user_id in (select user_id from today)
  group by first.user_id
)
select coalesce(avg(share), 0), count(*) from shares`,
  );
  return { overlap: Number(rows[0]?.[0] ?? 0), users: Number(rows[0]?.[1] ?? 0) };
}
