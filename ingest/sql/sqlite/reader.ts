import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type Sqlite from "libsql";
import type { Context } from "../../../core/context.ts";
import { messageOf, ProjectError } from "../../../core/errors.ts";
import type { SqlSourceDefinition, SqlStreamDefinition } from "../../../core/sillon.ts";
import { createBatches } from "../../batches.ts";
import { type Reader, type ReadJob, type ReadOutcome, streamName } from "../../reader.ts";
import { checkColumns, tableUnknown } from "../columns.ts";
import { connectionText } from "../connection.ts";
import { fromOf, tailOf } from "../statement.ts";
import { rowText } from "./row-text.ts";

interface SqlitePlace {
  ctx: Context;
  source: SqlSourceDefinition;
  path: string;
}

/**
 * Reads tables and queries of a SQLite file, each with one statement and so of one moment. The file is never written to.
 * Throws CONNECTION_MISSING (exit 2).
 */
export function openSqliteReader(ctx: Context, { source }: { source: SqlSourceDefinition }): Reader {
  const place = { ctx, source, path: resolve(ctx.projectDir, connectionText(ctx, source)) };
  return {
    read: async (job) => {
      const stream = source.streams.find((one) => one.name === job.stream);
      if (stream === undefined) throw new Error(`no stream ${job.stream}`);
      await job.restart();
      return withDatabase(place, streamName({ source, stream }), (database) =>
        readStream(place, database, { job, stream }),
      );
    },
    reach: () =>
      withDatabase(place, source.name, async (database) => {
        const tables = tablesOf(database);
        return `${place.path}, ${tables.length} ${tables.length === 1 ? "table" : "tables"}`;
      }),
    close: async () => {},
  };
}

/** Throws DATABASE_UNREACHABLE or QUERY_FAILED. */
async function withDatabase<T>(
  { source, path }: SqlitePlace,
  name: string,
  work: (database: Sqlite.Database) => Promise<T>,
): Promise<T> {
  const variable = source.connection.env;
  if (!existsSync(path)) throw unreadable(name, { path, variable, said: "there is no such file" });
  const { default: Database } = await import("libsql");
  let database: Sqlite.Database | undefined;
  try {
    const uri = path.replace(/[%?#]/g, encodeURIComponent);
    database = new Database(`file:${uri}?mode=ro`, { timeout: 5_000 });
    database.exec("pragma query_only = on");
    return await work(database);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    if (
      /^SQLITE_(NOTADB|CORRUPT|CANTOPEN|IOERR|BUSY|PERM)/.test(code) ||
      /ConnectionFailed/.test(String(error))
    )
      throw unreadable(name, { path, variable, said: messageOf(error), cause: error });
    if (!code.startsWith("SQLITE_")) throw error;
    throw new ProjectError("QUERY_FAILED", {
      message: `${name}: the database refuses: ${messageOf(error)}`,
      where: path,
      why: [code],
      hint: "correct the stream's table or query",
      cause: error,
    });
  } finally {
    database?.close();
  }
}

function unreadable(
  name: string,
  { path, variable, said, cause }: { path: string; variable: string; said: string; cause?: unknown },
): ProjectError {
  return new ProjectError("DATABASE_UNREADABLE", {
    message: `${name}: the SQLite file cannot be read: ${said}`,
    where: path,
    hint: `set ${variable} to the path of a SQLite file; from the project's folder on, when it is relative`,
    cause,
  });
}

/** Of these SQLite has no own type for times and truths: they land as the numbers and texts that they are. */
async function readStream(
  { source }: SqlitePlace,
  database: Sqlite.Database,
  { job, stream }: { job: ReadJob; stream: SqlStreamDefinition },
): Promise<ReadOutcome> {
  const name = streamName({ source, stream });
  checkTable(name, stream, database);
  const from = fromOf(stream).text;
  const described = database.prepare(`select * from ${from} as _record limit 0`);
  const columns = described.columns().map((column) => column.name);
  checkColumns(name, stream, columns);
  const values: (string | number | bigint)[] = [];
  const tail = tailOf(stream, job.range, (value) => {
    values.push(bound(stream, value));
    return "?";
  });
  const statement = database.prepare(`select * from ${from} as _record ${tail}`).raw(true);
  statement.safeIntegers(true);
  job.traffic.requests += 1;
  const batches = createBatches(job, source.batchSize);
  const collector = batches.collector();
  for (const row of statement.iterate(...values) as Iterable<unknown[]>) {
    const text = rowText(columns, row);
    job.traffic.sizeBytes += text.length;
    const taken = collector.add({ text, value: JSON.parse(text) });
    if (taken === undefined) continue;
    await taken;
    job.signal.throwIfAborted();
  }
  await collector.flush();
  return { pages: batches.lastNumber(), total: null };
}

/** SQLite puts every text after every number, so that bounds of numbers have to be numbers. */
function bound({ cursor }: SqlStreamDefinition, value: string | number): string | number | bigint {
  if (cursor?.type !== "number" && cursor?.unit === undefined) return value;
  return /^-?\d+$/.test(String(value)) ? BigInt(value) : Number(value);
}

/** Throws TABLE_UNKNOWN. */
function checkTable(name: string, { table }: SqlStreamDefinition, database: Sqlite.Database): void {
  if (table === undefined) return;
  const known = tablesOf(database);
  const isKnown = [...known, "sqlite_master", "sqlite_schema"].some(
    (one) => one.toLowerCase() === table.replace(/^main\./i, "").toLowerCase(),
  );
  if (!isKnown) throw tableUnknown(name, table, known);
}

function tablesOf(database: Sqlite.Database): string[] {
  const found = database
    .prepare(
      "select name from sqlite_master where type in ('table', 'view') and name not like 'sqlite\\_%' escape '\\'",
    )
    .all() as { name: string }[]; // the column that is asked for
  return found.map(({ name }) => name);
}
