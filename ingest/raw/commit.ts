import type { Engine, Session } from "../../engines/engine.ts";
import type { LoadedPart } from "../reader.ts";
import { NO_COUNTS, type StreamCounts } from "../stream-result.ts";
import { judgeDistinct } from "./judge-distinct.ts";
import { type LoadEntry, nextLoadId, writeLoad } from "./loads.ts";
import { quarantineSql } from "./quarantine.ts";
import { createStreamTable, type RawTables, sqlTime } from "./tables.ts";

/** What is known of what was landed. */
export interface Judged {
  /** Different keys that came with a good record. */
  keys: number;
  /** Records in quarantine whose key cannot be read. */
  keyless: number;
}

export interface Load {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
  /** What was landed, for SQL: a table or a query in brackets. */
  landed: string;
  /** Whether the keys that did not come are gone. */
  concludesDeletions: boolean;
  /**
   * How records are told from those that are there: by key, so that a changed one ends a version; by content, so
   * that all others are new; or not at all.
   */
  compare: "key" | "content" | "nothing";
  /** What is known of the load but its counts. */
  entry: Omit<LoadEntry, "counts">;
  /** When only a part of the source was read. */
  part?: LoadedPart | undefined;
  /** Inside the load's transaction. */
  alsoWrite?(loadId: number, judged: Judged): Promise<void>;
  /** SQL of a landed row: a record older than the one that is there, which it never follows. None when left out. */
  isSuperseded?: string;
}

/** What the statements of one load share. */
interface Step extends Load {
  loadId: number;
  table: string;
  verdicts: string;
  loadedAt: string;
}

export interface Committed {
  loadId: number;
  counts: StreamCounts;
  /** Records in quarantine whose key cannot be read: while there are any, no key counts as deleted. */
  keyless: number;
}

/** Compares what was landed with the current versions and commits the difference, the counts and the cursor with it. */
export async function commitLoad(load: Load): Promise<Committed> {
  const { session, engine, tables, stream, compare } = load;
  const verdicts = await session.createLandingTable(`${stream}_verdicts`, {
    page: "integer",
    position: "integer",
    copies: "integer",
    is_winner: "integer",
    key: "text",
    verdict: "text",
  });
  return session.transaction(async () => {
    const relation = { schema: tables.schema, name: stream };
    await createStreamTable(session, engine, relation);
    const step: Step = {
      ...load,
      verdicts,
      loadId: await nextLoadId(session, tables, engine.nameOf(relation)),
      table: engine.nameOf(relation),
      loadedAt: sqlTime(engine, load.entry.endedAt),
    };
    const isPlain = compare === "key" && load.isSuperseded === undefined;
    const distinct = isPlain ? await judgeDistinct(step) : undefined;
    if (distinct === undefined) await session.run(JUDGE[compare](step));
    const counts = distinct?.counts ?? (await countVerdicts(step));
    if (distinct?.isFirst) await session.run(insertAllSql(step));
    else if (counts.new + counts.changed > 0) {
      if (compare === "key") await session.run(endVersionsSql(step));
      await session.run(insertVersionsSql(step));
    }
    const keyless = counts.quarantined > 0 ? await countKeyless(step) : 0;
    if (load.concludesDeletions && keyless === 0 && !distinct?.isComplete)
      counts.deleted = await session.run(insertDeletionsSql(step));
    if (counts.deleted > 0) await session.run(endDeletedSql(step));
    if (counts.quarantined > 0) await session.run(quarantineSql(step));
    const { received, quarantined } = counts;
    const keys = distinct === undefined ? await countKeys(step) : received - quarantined;
    await load.alsoWrite?.(step.loadId, { keys, keyless });
    const isCertain = load.concludesDeletions && keyless === 0;
    await load.part?.commit({ loadId: step.loadId, landed: load.landed, isCertain });
    await writeLoad(load, step.loadId, { ...load.entry, counts });
    return { loadId: step.loadId, counts, keyless };
  });
}

/**
 * One row for each text of each key. The newest text of a key wins and is compared with the current version;
 * the others become versions that ended at once, unless they were landed before.
 */
function judgeSql({ verdicts, landed, table, isSuperseded = "false" }: Step): string {
  return `insert into ${verdicts}
with copies as (
  select *,
    row_number() over (partition by "key", hash order by page desc, "position" desc) as from_last,
    count(*) over (partition by "key", hash) as copies
  from ${landed}
  where reason is null
),
ranked as (
  select *, coalesce(place > 1 or (${isSuperseded}), false) as is_former
  from (
    select *,
      row_number() over (partition by "key" order by coalesce(updated_at, '') desc, page desc, "position" desc) as place
    from copies
    where from_last = 1
  ) as placed
),
live as (select _key, _hash from ${table} where _to_load is null and not _deleted),
known as (
  select distinct _key, _hash from ${table} where _key in (select "key" from ranked where is_former)
)
select
  ranked.page,
  ranked."position",
  cast(ranked.copies as integer),
  case when ranked.is_former then 0 else 1 end,
  ranked."key",
  case
    when ranked.is_former and known._key is not null then 'duplicate'
    when ranked.is_former then 'changed'
    when live._key is null then 'new'
    when live._hash = ranked.hash then 'unchanged'
    else 'changed'
  end
from ranked
left join live on live._key = ranked."key"
left join known on known._key = ranked."key" and known._hash = ranked.hash`;
}

/** A record that is there already, letter by letter, is the same one: it came again at the edge of two loads. */
function judgeByContentSql({ verdicts, landed, table }: Step): string {
  return `insert into ${verdicts}
with ranked as (
  select *,
    row_number() over (partition by "key", hash order by page, "position") as place,
    count(*) over (partition by "key", hash) as copies
  from ${landed}
  where reason is null
),
known as (select distinct _key, _hash from ${table} where _key in (select "key" from ranked))
select page, "position", cast(copies as integer), 1, "key",
  case when known._key is null then 'new' else 'unchanged' end
from ranked
left join known on known._key = ranked."key" and known._hash = ranked.hash
where place = 1`;
}

function judgeNothingSql({ verdicts, landed }: Step): string {
  return `insert into ${verdicts}
select page, "position", 1, 1, "key", 'new' from ${landed} as landed where reason is null`;
}

const JUDGE = { key: judgeSql, content: judgeByContentSql, nothing: judgeNothingSql };

async function countVerdicts({ session, verdicts, landed }: Step): Promise<StreamCounts> {
  const counts = { ...NO_COUNTS };
  const judged = await session.query(
    `select verdict, count(*), sum(copies - 1) from ${verdicts} group by verdict order by verdict`,
  );
  for (const [verdict, count, copies] of judged.rows) {
    counts[verdict as "new" | "changed" | "unchanged" | "duplicate"] += Number(count); // the four of judgeSql
    counts.duplicate += Number(copies);
  }
  const refused = await session.query(`select count(*), count(reason) from ${landed} as landed`);
  counts.received = Number(refused.rows[0]?.[0]);
  counts.quarantined = Number(refused.rows[0]?.[1]);
  return counts;
}

async function countKeys({ session, verdicts }: Step): Promise<number> {
  const found = await session.query(`select count(distinct "key") from ${verdicts}`);
  return Number(found.rows[0]?.[0]);
}

async function countKeyless({ session, landed }: Step): Promise<number> {
  const found = await session.query(
    `select count(*) from ${landed} as landed where reason is not null and "key" is null`,
  );
  return Number(found.rows[0]?.[0]);
}

function endVersionsSql({ table, verdicts, loadId }: Step): string {
  return `update ${table} set _to_load = ${loadId}
where _to_load is null and _key in (
  select "key" from ${verdicts} where is_winner = 1 and verdict in ('new', 'changed')
)`;
}

function insertVersionsSql({ table, verdicts, landed, loadId, loadedAt }: Step): string {
  return `insert into ${table} (_key, _hash, _from_load, _to_load, _loaded_at, _deleted, record)
select
  landed."key",
  landed.hash,
  ${loadId},
  case when verdicts.is_winner = 1 then null else ${loadId} end,
  ${loadedAt},
  false,
  landed.record
from ${landed} as landed
join ${verdicts} as verdicts on verdicts.page = landed.page and verdicts."position" = landed."position"
where verdicts.verdict in ('new', 'changed')
order by landed.page, landed."position"`;
}

/** Of a stream that has no current versions. */
function insertAllSql({ table, landed, loadId, loadedAt }: Step): string {
  return `insert into ${table} (_key, _hash, _from_load, _to_load, _loaded_at, _deleted, record)
select "key", hash, ${loadId}, null, ${loadedAt}, false, record from ${landed} as landed where reason is null`;
}

/** A key that came with a record in quarantine is still there. */
function insertDeletionsSql({ table, landed, loadId, loadedAt, part }: Step): string {
  return `insert into ${table} (_key, _hash, _from_load, _to_load, _loaded_at, _deleted, record)
select _key, _hash, ${loadId}, null, ${loadedAt}, true, record
from ${table} as versions
where _to_load is null and not _deleted and (${part?.mayBeGone ?? "true"})
  and not exists (select 1 from ${landed} as landed where landed."key" = versions._key)`;
}

function endDeletedSql({ table, loadId }: Step): string {
  return `update ${table} set _to_load = ${loadId}
where _to_load is null and not _deleted and _key in (
  select _key from ${table} where _deleted and _from_load = ${loadId}
)`;
}
