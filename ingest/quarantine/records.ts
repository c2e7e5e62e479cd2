import type { SourceDefinition, StreamDefinition } from "../../core/sillon.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { type RawTables, rawTables } from "../raw/tables.ts";

/** Which records in quarantine are meant: those of which all that is given is true. */
export interface QuarantineFilter {
  /** A part of the reason. */
  reason?: string;
  /** The load that brought it. */
  load?: number;
  key?: string;
}

export interface QuarantineChoice {
  streams: readonly { source: SourceDefinition; stream: StreamDefinition }[];
  filter: QuarantineFilter;
}

/** Records of a stream that were refused for one reason. Times are in milliseconds since 1970. */
export interface RefusedGroup {
  source: string;
  stream: string;
  reason: string;
  records: number;
  firstLoad: number;
  lastLoad: number;
  newestMs: number;
}

/** A record in quarantine: `record` is its text as received. */
export interface RefusedRecord {
  source: string;
  stream: string;
  loadId: number;
  page: number;
  position: number;
  key: string | null;
  reason: string;
  record: string;
  quarantinedMs: number;
}

/** One stream's part of a quarantine. */
export interface QuarantinePlace {
  engine: Engine;
  session: Session;
  source: SourceDefinition;
  stream: StreamDefinition;
  tables: RawTables;
  /** SQL of the rows that are meant. */
  chosen: string;
}

/** Does `work` for each chosen stream whose source has a quarantine, one after another. */
export async function eachQuarantine<T>(
  engine: Engine,
  { streams, filter }: QuarantineChoice,
  work: (place: QuarantinePlace) => Promise<T>,
): Promise<T[]> {
  const relations = await engine.relations();
  const done: T[] = [];
  for (const { source, stream } of streams) {
    const tables = rawTables(engine, source.name);
    if (!relations.has(relationKey({ schema: tables.schema, name: "_quarantine" }))) continue;
    const session = await engine.openSession();
    try {
      const chosen = chosenSql(engine, stream.name, filter);
      done.push(await work({ engine, session, source, stream, tables, chosen }));
    } finally {
      session.close();
    }
  }
  return done;
}

function chosenSql({ literal }: Engine, stream: string, { reason, load, key }: QuarantineFilter): string {
  return [
    `stream = ${literal(stream)}`,
    ...(reason === undefined ? [] : [`position(${literal(reason)} in reason) > 0`]),
    ...(load === undefined ? [] : [`load_id = ${load}`]),
    ...(key === undefined ? [] : [`"key" = ${literal(key)}`]),
  ].join(" and ");
}

/** What is in quarantine, by stream and reason, the most frequent first. */
export async function refusedGroups(engine: Engine, choice: QuarantineChoice): Promise<RefusedGroup[]> {
  const found = await eachQuarantine(engine, choice, async ({ session, source, stream, tables, chosen }) => {
    const { rows } = await session.query(
      `select reason, count(*), min(load_id), max(load_id), ${engine.epochMs("max(quarantined_at)")}
from ${tables.quarantine} where ${chosen} group by reason order by count(*) desc, reason`,
    );
    return rows.map(([reason, records, firstLoad, lastLoad, newestMs]) => ({
      source: source.name,
      stream: stream.name,
      reason: String(reason),
      records: Number(records),
      firstLoad: Number(firstLoad),
      lastLoad: Number(lastLoad),
      newestMs: Number(newestMs),
    }));
  });
  return found.flat();
}

/** The newest records in quarantine, `limit` of them at most, and how many there are. */
export async function refusedRecords(
  engine: Engine,
  choice: QuarantineChoice,
  limit: number,
): Promise<{ records: RefusedRecord[]; total: number }> {
  const found = await eachQuarantine(engine, choice, async ({ session, source, stream, tables, chosen }) => {
    const { rows } = await session.query(
      `select load_id, page, "position", "key", reason, record, ${engine.epochMs("quarantined_at")}, count(*) over ()
from ${tables.quarantine} where ${chosen} order by load_id desc, page, "position" limit ${limit}`,
    );
    const records = rows.map(([loadId, page, position, key, reason, record, quarantinedMs]) => ({
      source: source.name,
      stream: stream.name,
      loadId: Number(loadId),
      page: Number(page),
      position: Number(position),
      key: key == null ? null : String(key),
      reason: String(reason),
      record: String(record),
      quarantinedMs: Number(quarantinedMs),
    }));
    return { records, total: Number(rows[0]?.[7] ?? 0) };
  });
  return {
    records: found.flatMap(({ records }) => records).slice(0, limit),
    total: found.reduce((sum, one) => sum + one.total, 0),
  };
}
