import type { Context } from "../core/context.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import { type Engine, relationKey, type Session } from "../engines/engine.ts";
import { nextLoadId, writeLoad } from "./raw/loads.ts";
import { type RawTables, rawTables } from "./raw/tables.ts";
import { EMPTY_LOAD } from "./reset.ts";

/** Which ended versions may go. With both, those that both give up. */
export interface Retention {
  /** Those that ended so long ago. */
  olderThanDays?: number;
  /** All but so many of a record, the newest. */
  keep?: number;
}

export interface PruneResult {
  source: string;
  stream: string;
  versions: number;
  /** Versions that go. */
  removed: number;
  /** The oldest load as of which the stream can still be read; null when that stays as it is. */
  readableFrom: number | null;
}

export interface PruneOptions {
  streams: readonly { source: SourceDefinition; stream: StreamDefinition }[];
  retention: Retention;
  isDryRun: boolean;
}

/**
 * Removes ended versions of records, never current ones and never the mark of a deletion, and writes what stays
 * in the order by which reads as of a load skip most of it.
 */
export async function pruneStreams(
  ctx: Context,
  engine: Engine,
  { streams, retention, isDryRun }: PruneOptions,
): Promise<PruneResult[]> {
  const relations = await engine.relations();
  const session = await engine.openSession();
  const results: PruneResult[] = [];
  try {
    for (const { source, stream } of streams) {
      const tables = rawTables(engine, source.name);
      if (!relations.has(relationKey({ schema: tables.schema, name: stream.name }))) continue;
      const place = { ctx, engine, session, tables, stream: stream.name };
      const found = await session.transaction(() => pruneStream(place, retention, isDryRun));
      results.push({ source: source.name, stream: stream.name, ...found });
    }
    return results;
  } finally {
    session.close();
  }
}

interface PrunePlace {
  ctx: Context;
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

async function pruneStream(
  place: PrunePlace,
  retention: Retention,
  isDryRun: boolean,
): Promise<Omit<PruneResult, "source" | "stream">> {
  const { ctx, engine, session, tables, stream } = place;
  const relation = { schema: tables.schema, name: stream };
  const table = engine.nameOf(relation);
  const judged = `(select *, ${goesSql(place, retention)} as goes from ${table}) as judged`;
  const counted = await session.query(
    `select count(*), count(*) filter (where goes), max(_to_load) filter (where goes and _to_load > _from_load)
from ${judged}`,
  );
  const [versions = 0, removed = 0, horizon] = counted.rows[0] ?? [];
  const readableFrom = horizon == null ? null : Number(horizon);
  if (!isDryRun && Number(removed) > 0) {
    await session.replaceTable(
      relation,
      `select _key, _hash, _from_load, _to_load, _loaded_at, _deleted, record from ${judged}
where not goes order by _to_load nulls last, _from_load`,
    );
    const now = ctx.clock.now();
    await writeLoad(place, await nextLoadId(session, tables, table), {
      ...EMPTY_LOAD,
      mode: "prune",
      cursor: readableFrom === null ? null : String(readableFrom),
      startedAt: now,
      endedAt: now,
    });
  }
  return { versions: Number(versions), removed: Number(removed), readableFrom };
}

function goesSql({ ctx, engine, tables }: PrunePlace, { olderThanDays, keep }: Retention): string {
  const conditions = ["_to_load is not null"];
  if (olderThanDays !== undefined) {
    const before = new Date(ctx.clock.now().getTime() - olderThanDays * 86_400_000);
    conditions.push(
      `_to_load <= (select coalesce(max(load_id), 0) from ${tables.loads} where ${engine.epochMs("ended_at")} <= ${before.getTime()})`,
    );
  }
  if (keep !== undefined) {
    const newest = "order by _to_load desc nulls last, _from_load desc";
    conditions.push(`row_number() over (partition by _key, _to_load is null ${newest}) > ${keep}`);
  }
  return `(${conditions.join(" and ")})`;
}
