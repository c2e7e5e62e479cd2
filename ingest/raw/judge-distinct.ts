import type { Session } from "../../engines/engine.ts";
import { NO_COUNTS, type StreamCounts } from "../stream-result.ts";

/** What was landed, and what it is compared with: all for SQL. */
interface Comparison {
  session: Session;
  landed: string;
  table: string;
  verdicts: string;
}

export interface DistinctVerdict {
  counts: StreamCounts;
  /** All that came is new, and no version ends: there are no verdicts, they would say the same of every record. */
  isFirst: boolean;
  /** Every current version came again: nothing is gone. */
  isComplete: boolean;
}

/**
 * Judges what was landed when no key came twice: then only what is new or changed needs a verdict, and nothing has to
 * be put in order. Undefined, with nothing done, when a key came twice.
 */
export async function judgeDistinct(comparison: Comparison): Promise<DistinctVerdict | undefined> {
  const { session, landed, table, verdicts } = comparison;
  const [received = 0, good = 0, keys = 0] = await numbers(
    session,
    `select count(*), count(*) - count(reason), count(distinct case when reason is null then "key" end) from ${landed} as landed`,
  );
  if (good !== keys) return undefined;
  const [current = 0, live = 0] = await numbers(
    session,
    `select count(*), count(case when not _deleted then 1 end) from ${table} where _to_load is null`,
  );
  const counts = { ...NO_COUNTS, received, quarantined: received - good };
  if (current === 0) return { counts: { ...counts, new: good }, isFirst: good > 0, isComplete: true };
  await session.run(`insert into ${verdicts}
select landed.page, landed."position", 1, 1, landed."key", case when live._key is null then 'new' else 'changed' end
from ${landed} as landed
left join (select _key, _hash from ${table} where _to_load is null and not _deleted) as live
  on live._key = landed."key"
where landed.reason is null and (live._key is null or live._hash <> landed.hash)`);
  const [fresh = 0, changed = 0] = await numbers(
    session,
    `select count(case when verdict = 'new' then 1 end), count(case when verdict = 'changed' then 1 end) from ${verdicts}`,
  );
  const isComplete = good - fresh === live;
  return {
    counts: { ...counts, new: fresh, changed, unchanged: good - fresh - changed },
    isFirst: false,
    isComplete,
  };
}

async function numbers(session: Session, sql: string): Promise<number[]> {
  const { rows } = await session.query(sql);
  return (rows[0] ?? []).map(Number);
}
