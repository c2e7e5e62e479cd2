import { type AsOf, loadAsOf, validAt } from "../core/as-of.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import { type Engine, relationKey, type Session, type Value } from "../engines/engine.ts";
import { hasCursorPerParent } from "./child-parts.ts";
import { type RecordedChange, recordedChanges } from "./drift/schema-table.ts";
import { ASIDE } from "./raw/loads.ts";
import { cursorTable } from "./raw/parent-cursors.ts";
import { MEMBERS, rawTables } from "./raw/tables.ts";
import { unfinishedStreams } from "./raw/unfinished.ts";

/** What is there of a stream. Times are in milliseconds since 1970. */
export interface StreamStatus {
  source: string;
  stream: string;
  mode: string;
  lastLoad: { id: number; mode: string; outcome: string; endedMs: number; error: string | null } | null;
  /** When the last load ended that went well. */
  loadedMs: number | null;
  cursor: string | null;
  records: number;
  versions: number;
  /** Keys that the source no longer has. */
  deleted: number;
  quarantined: number;
  /** What has changed in its records since its first load, the newest first. */
  drift: RecordedChange[];
}

export interface StatusOptions {
  streams: readonly { source: SourceDefinition; stream: StreamDefinition }[];
  asOf: AsOf | null;
}

/** What the raw tables hold of each stream, now or as of a load. Writes nothing. */
export async function streamStatus(
  engine: Engine,
  { streams, asOf }: StatusOptions,
): Promise<StreamStatus[]> {
  const relations = await engine.relations();
  const session = await engine.openSession();
  const found: StreamStatus[] = [];
  try {
    for (const { source, stream } of streams) {
      const { schema } = rawTables(engine, source.name);
      const isThere = (name: string) => relations.has(relationKey({ schema, name }));
      const asked = { source: source.name, stream: stream.name, mode: stream.mode ?? "full" };
      found.push({
        ...asked,
        ...(isThere("_loads") ? await loadsOf(engine, session, { ...asked, asOf }) : NO_LOADS),
        ...(hasCursorPerParent(stream)
          ? await listsOf(session, cursorTable(engine, schema), { asked, isThere })
          : {}),
        drift: isThere(MEMBERS) ? await driftOf(engine, session, { ...asked, asOf }) : [],
        ...(isThere(stream.name) ? await versionsOf(engine, session, { ...asked, asOf }) : NO_VERSIONS),
      });
    }
    return found;
  } finally {
    session.close();
  }
}

const NO_LOADS = { lastLoad: null, loadedMs: null, cursor: null, quarantined: 0 };
const NO_VERSIONS = { records: 0, versions: 0, deleted: 0 };

interface Asked {
  source: string;
  stream: string;
  asOf: AsOf | null;
}

const numberOf = (value: Value | undefined) => (value == null ? null : Number(value));
const textOf = (value: Value | undefined) => (value == null ? null : String(value));

async function loadsOf(engine: Engine, session: Session, { source, stream, asOf }: Asked) {
  const { loads, quarantine } = rawTables(engine, source);
  const until = asOf === null ? "true" : `load_id <= ${loadAsOf(asOf, loads)}`;
  const own = `stream = ${engine.literal(stream)} and ${until}`;
  const ended = engine.epochMs("ended_at");
  const newest = (condition: string) =>
    session.query(
      `select load_id, mode, outcome, ${ended}, error, "cursor" from ${loads}
where ${own} and mode not in ${ASIDE} and ${condition} order by load_id desc limit 1`,
    );
  const [last] = (await newest("mode <> 'reset'")).rows;
  const [state] = (await newest("outcome = 'ok'")).rows;
  const [good] = (await newest("outcome = 'ok' and mode <> 'reset'")).rows;
  const refused = await session.query(`select count(*) from ${quarantine} where ${own}`);
  const unfinished =
    asOf === null
      ? await unfinishedStreams({ engine, session, tables: rawTables(engine, source) })
      : new Set();
  return {
    lastLoad:
      last === undefined
        ? null
        : {
            id: Number(last[0]),
            mode: String(last[1]),
            // It gets a row of its own when the next load begins.
            outcome: unfinished.has(stream) ? "interrupted" : String(last[2]),
            endedMs: Number(last[3]),
            error: textOf(last[4]),
          },
    loadedMs: numberOf(good?.[3]),
    cursor: textOf(state?.[5]),
    quarantined: Number(refused.rows[0]?.[0]),
  };
}

/** The cursors of a child stream's lists, counted. They are those of now, whatever moment is asked for. */
async function listsOf(
  session: Session,
  { relation, name }: ReturnType<typeof cursorTable>,
  { asked, isThere }: { asked: { stream: string }; isThere(name: string): boolean },
): Promise<{ cursor: string | null }> {
  if (!isThere(relation.name)) return { cursor: null };
  const { rows } = await session.query(`select count(*) from ${name} where stream = ?`, [asked.stream]);
  return { cursor: `of ${rows[0]?.[0]} parents` };
}

function driftOf(engine: Engine, session: Session, { source, stream, asOf }: Asked) {
  const tables = rawTables(engine, source);
  const until = asOf === null ? LAST_LOAD : loadAsOf(asOf, tables.loads);
  return recordedChanges({ engine, session, tables, stream }, until);
}

const LAST_LOAD = "9223372036854775806";

async function versionsOf(engine: Engine, session: Session, { source, stream, asOf }: Asked) {
  const { schema, loads } = rawTables(engine, source);
  const load = asOf === null ? LAST_LOAD : loadAsOf(asOf, loads);
  const counted = await session.query(
    `select count(*) filter (where ${validAt(load)}), count(*) filter (where not _deleted),
  count(*) filter (where _deleted and (_to_load is null or _to_load > ${load}))
from ${engine.nameOf({ schema, name: stream })} where _from_load <= ${load}`,
  );
  const [records, versions, deleted] = (counted.rows[0] ?? []).map(Number);
  return { records: records ?? 0, versions: versions ?? 0, deleted: deleted ?? 0 };
}
