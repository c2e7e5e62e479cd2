import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { createBatches } from "../../batches.ts";
import { type ReadJob, type ReadOutcome, streamName } from "../../reader.ts";
import { wholeLines } from "../../whole-lines.ts";
import { checkColumns, tableUnknown } from "../columns.ts";
import { fromOf, quoteTable, tailOf } from "../statement.ts";
import { type Column, type Connection, sqlStateOf } from "./connection.ts";
import { DESCRIBE_HEAD } from "./failure.ts";
import { canFetch, fetchRows } from "./fetch.ts";
import type { PostgresParts } from "./parts.ts";
import { BEGIN, openConnection, RANGE_PAGES, type Reading, rangesOf, rowTooLarge } from "./reading.ts";
import { type RowStatement, rowStatement } from "./row-types.ts";

/** Reads the stream once, in one snapshot. Throws what the driver threw, or ProjectError. */
export async function readOnce(
  parts: PostgresParts,
  job: ReadJob,
  { stream, fetches }: { stream: SqlStreamDefinition; fetches: boolean },
): Promise<ReadOutcome> {
  const batches = createBatches(job, parts.source.batchSize);
  const reading: Reading = { parts, job, stream, batches, columns: [], rows: undefined, pages: 0 };
  const pass = await parts.gate.enter({ isRetry: false, signal: job.signal });
  let connection: Connection | undefined;
  try {
    connection = await openConnection(reading, job.signal);
    await connection.query(BEGIN);
    reading.columns = await describeStream(reading, connection);
    if (job.onLines !== undefined) reading.rows = rowStatement(stream, reading.columns);
    const pages = await pagesOf(reading, connection);
    if (fetches && (await canFetch(reading, connection))) {
      await fetchRows(reading, connection, pages);
      return { pages: 1, total: null };
    }
    const ranges = rangesOf(pages, RANGE_PAGES);
    if (ranges.length > 1) await readRanges(reading, connection, ranges);
    else await copyRows(reading, connection, tailOf(stream, job.range, connection.literal));
    await connection.query("commit");
    return { pages: reading.pages + batches.lastNumber(), total: null };
  } finally {
    await connection?.close();
    pass.leave();
  }
}

/** Its columns. Throws TABLE_UNKNOWN or COLUMN_UNKNOWN, and what the server says of a query. */
async function describeStream({ parts, stream }: Reading, connection: Connection): Promise<Column[]> {
  const name = streamName({ source: parts.source, stream });
  try {
    const columns = await connection.columnsOf(`${DESCRIBE_HEAD}${fromOf(stream).text} as _record limit 0`);
    checkColumns(
      name,
      stream,
      columns.map((column) => column.name),
    );
    return columns;
  } catch (error) {
    const isUnknown = ["42P01", "3F000"].includes(sqlStateOf(error));
    if (!isUnknown || stream.table === undefined) throw error;
    await connection.query("rollback");
    throw tableUnknown(name, stream.table, await tablesOf(connection, stream.table));
  }
}

async function tablesOf(connection: Connection, table: string): Promise<string[]> {
  const rows = await connection.query(
    "select table_schema as schema, table_name as name from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')",
  );
  return rows.map(({ schema, name }) => (table.includes(".") ? `${schema}.${name}` : String(name)));
}

/** The first one that finds rows by ranges of their places. */
const MINIMUM_VERSION = 140_000;

/** Of a table that can be read in parts; else 0. */
async function pagesOf({ stream, job }: Reading, connection: Connection): Promise<number> {
  if (stream.table === undefined || stream.cursor !== undefined || job.range.limit !== null) return 0;
  const [found] = await connection.query(
    `select pg_relation_size(oid) / current_setting('block_size')::int as pages,
      current_setting('server_version_num')::int as version
    from pg_class where oid = to_regclass($1) and relkind in ('r', 'm')`,
    [quoteTable(stream.table)],
  );
  return Number(found?.version) < MINIMUM_VERSION ? 0 : Number(found?.pages ?? 0);
}

const MOST_CONNECTIONS = 4;

/** As many connections as there are places for, all in the snapshot of the first one. */
async function readRanges(reading: Reading, main: Connection, ranges: readonly string[]): Promise<void> {
  const { job, parts } = reading;
  const [row] = await main.query("select pg_export_snapshot() as snapshot");
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  const left = [...ranges];
  const done = new AbortController();
  const drain = async (connection: Connection) => {
    for (let range = left.shift(); range !== undefined; range = left.shift()) {
      signal.throwIfAborted();
      await copyRows(reading, connection, range);
    }
    done.abort();
  };
  const help = async () => {
    const pass = await parts.gate
      .enter({ isRetry: false, signal: AbortSignal.any([signal, done.signal]) })
      .catch(() => undefined);
    if (pass === undefined) return;
    try {
      if (left.length > 0) await drainApart(reading, { snapshot: String(row?.snapshot), signal, drain });
    } finally {
      pass.leave();
    }
  };
  const helpers = Math.min(MOST_CONNECTIONS, parts.settings.concurrency, ranges.length) - 1;
  const work = [drain(main), ...Array.from({ length: helpers }, help)].map((one) =>
    one.catch((error: unknown) => stop.abort(error)),
  );
  await Promise.all(work);
  job.signal.throwIfAborted();
  stop.signal.throwIfAborted();
}

async function drainApart(
  reading: Reading,
  work: { snapshot: string; signal: AbortSignal; drain(connection: Connection): Promise<void> },
): Promise<void> {
  const connection = await openConnection(reading, work.signal);
  try {
    await connection.query(BEGIN);
    await connection.query(`set transaction snapshot ${connection.literal(work.snapshot)}`);
    await work.drain(connection);
  } finally {
    await connection.close();
  }
}

/** The rows as JSON that the server writes, each on a line of COPY's. */
async function copyRows(reading: Reading, connection: Connection, tail: string): Promise<void> {
  const { stream, batches, parts, rows } = reading;
  if (rows !== undefined) return copyLines(reading, connection, { rows, tail });
  const sql = `copy (select row_to_json(_record.*) from ${fromOf(stream).text} as _record ${tail}) to stdout`;
  const collector = batches.collector();
  const limit = { bytes: parts.settings.maxBodyBytes, exceeded: () => rowTooLarge(reading) };
  for await (const lines of wholeLines(connection.copy(sql), limit)) {
    for (const line of lines.toString("utf8").split("\n")) {
      const text = line.includes("\\") ? unescaped(line) : line;
      const taken = collector.add({ text, value: JSON.parse(text) });
      if (taken !== undefined) await taken;
    }
  }
  await collector.flush();
}

/** Enough to keep the engine busy with each. */
const LINES_BYTES = 2_000_000;

/** The rows as COPY's lines, which the engine cuts and judges. The next are read while some are landed. */
async function copyLines(
  reading: Reading,
  connection: Connection,
  { rows, tail }: { rows: RowStatement; tail: string },
): Promise<void> {
  const { job, parts } = reading;
  let [waiting, size] = [[] as string[], 0];
  let landing: Promise<void> | undefined;
  const hand = async () => {
    await landing;
    if (size === 0) return;
    reading.pages += 1;
    landing = job.onLines?.({ number: reading.pages, text: waiting.join("\n"), types: rows.types });
    // It is awaited before the next one, or at the end.
    landing?.catch(() => {});
    [waiting, size] = [[], 0];
  };
  const limit = { bytes: parts.settings.maxBodyBytes, exceeded: () => rowTooLarge(reading) };
  const copy = `copy (${rows.sql} ${tail}) to stdout with (null '')`;
  try {
    for await (const lines of wholeLines(connection.copy(copy), limit)) {
      waiting.push(lines.toString("utf8"));
      size += lines.length;
      if (size >= LINES_BYTES) await hand();
    }
    await hand();
  } finally {
    await landing;
  }
}

const ESCAPES: Record<string, string> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };

/** A line of COPY's text format without its escapes. */
function unescaped(line: string): string {
  return line.replace(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter);
}
