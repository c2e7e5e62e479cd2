import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { NO_COUNTS } from "../stream-result.ts";
import { recordLoad } from "./loads.ts";
import { type RawTables, sqlTime } from "./tables.ts";

interface Place {
  engine: Engine;
  session: Session;
  tables: RawTables;
}

/** What `_loads` says of a load whose process ended before it did. */
const INTERRUPTED = "interrupted: the command was stopped, or its process ended, before the load did";

/** Notes the streams that a command is about to load. */
export async function noteLoads(
  { engine, session, tables }: Place,
  loads: readonly { stream: string; mode: string; startedAt: Date }[],
): Promise<void> {
  if (loads.length === 0) return;
  const rows = loads.map(
    ({ stream, mode, startedAt }) =>
      `(${engine.literal(stream)}, ${engine.literal(mode)}, ${sqlTime(engine, startedAt)})`,
  );
  await session.run(`insert into ${tables.unfinished} (stream, mode, started_at) values ${rows.join(", ")}`);
}

/** The load of a stream has come to an end, whatever became of it. To be called inside the transaction that says so. */
export async function forgetLoad({ engine, session, tables }: Place, stream: string): Promise<void> {
  await session.run(`delete from ${tables.unfinished} where stream = ${engine.literal(stream)}`);
}

/** Gives loads that were left unfinished a row of their own in `_loads`. To be called while no load is under way. */
export async function recordInterrupted({ engine, session, tables }: Place, now: Date): Promise<void> {
  await session.transaction(async () => {
    const { rows } = await session.query(
      `select stream, mode, ${engine.epochMs("started_at")} from ${tables.unfinished} order by stream`,
    );
    if (rows.length === 0) return;
    for (const [stream, mode, startedMs] of rows) {
      await recordLoad(
        { engine, session, tables, stream: String(stream) },
        {
          mode: String(mode),
          cursor: null,
          outcome: "interrupted",
          counts: NO_COUNTS,
          pages: 0,
          requests: 0,
          retries: 0,
          sizeBytes: 0,
          startedAt: new Date(Number(startedMs)),
          endedAt: now,
          error: INTERRUPTED,
        },
      );
    }
    await session.run(`delete from ${tables.unfinished}`);
  });
}

/** Streams whose last load was left unfinished, and that no load was begun of since. */
export async function unfinishedStreams({ engine, session, tables }: Place): Promise<Set<string>> {
  const relation = { schema: tables.schema, name: "_unfinished" };
  if (!(await engine.relations()).has(relationKey(relation))) return new Set();
  const { rows } = await session.query(`select stream from ${tables.unfinished}`);
  return new Set(rows.map(([stream]) => String(stream)));
}
