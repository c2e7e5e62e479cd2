import { SqlError } from "../../../engines/engine.ts";
import type { LentConnection } from "../../../engines/postgres-doors/doors.ts";
import { type Connection, ServerSilent } from "./connection.ts";
import { BEGIN, openConnection, RANGE_PAGES, type Reading, rangesOf, rowTooLarge } from "./reading.ts";
import { fetchStatement, literal } from "./row-fetch.ts";

/** The engine could not fetch rows that the server would give. */
export class FetchRefused extends Error {
  override readonly name = "FetchRefused";
}

/** Whether the engine may fetch the rows by itself, and what it gets is sure to be text that it can keep. */
export async function canFetch({ job, rows }: Reading, connection: Connection): Promise<boolean> {
  if (rows === undefined || job.onFetch === undefined) return false;
  if (job.warehouse?.engine.postgres === undefined) return false;
  const [row] = await connection.query("show server_encoding");
  return row?.server_encoding !== "SQL_ASCII";
}

/**
 * Has the engine fetch all rows: a big table over several connections, in the snapshot of the first one. Throws
 * FetchRefused, what ended a connection, or ProjectError.
 */
export async function fetchRows(reading: Reading, main: Connection, pages: number): Promise<void> {
  const { job, rows, stream, columns, parts } = reading;
  const doors = job.warehouse?.engine.postgres;
  if (rows === undefined || doors === undefined) throw new Error("the engine has no doors to servers");
  const most = Math.min(doors.count, parts.settings.concurrency, Math.floor(pages / RANGE_PAGES));
  const helpers = await openHelpers(reading, main, most - 1);
  const connections = [main, ...helpers.map(({ connection }) => connection)];
  const ranges = rangesOf(pages, Math.ceil(pages / connections.length));
  const ended: { why?: unknown } = {};
  try {
    const lent = connections.slice(0, Math.max(1, ranges.length)).map((one) => lend(reading, one, ended));
    const { sql, held, fetch } = fetchStatement(stream, columns, rows.types);
    await doors.lend(lent, async (names) => {
      const queries = names.map((name, index) => {
        const asked = `${sql} ${ranges[index] ?? ""}`;
        return `select * from postgres_query('${name}', ${literal(asked)}) where ${held}`;
      });
      await job.onFetch?.({ ...fetch, query: queries.join(" union all ") });
    });
  } catch (error) {
    if (ended.why !== undefined) throw ended.why;
    throw error instanceof SqlError ? new FetchRefused(error.message, { cause: error }) : error;
  } finally {
    for (const { connection, leave } of helpers) {
      await connection.close();
      leave();
    }
  }
}

/** As many as there are places for at once, all in the snapshot of the first connection. */
async function openHelpers(
  reading: Reading,
  main: Connection,
  count: number,
): Promise<{ connection: Connection; leave(): void }[]> {
  const helpers: { connection: Connection; leave(): void }[] = [];
  if (count < 1) return helpers;
  const [row] = await main.query("select pg_export_snapshot() as snapshot");
  for (let index = 0; index < count; index++) {
    const soon = new AbortController();
    setImmediate(() => soon.abort());
    const pass = await reading.parts.gate
      .enter({ isRetry: false, signal: AbortSignal.any([reading.job.signal, soon.signal]) })
      .catch(() => undefined);
    if (pass === undefined) break;
    const leave = () => pass.leave();
    try {
      const connection = await openConnection(reading, reading.job.signal);
      helpers.push({ connection, leave });
      await connection.query(BEGIN);
      await connection.query(`set transaction snapshot ${connection.literal(String(row?.snapshot))}`);
    } catch (error) {
      if (helpers.length <= index) leave();
      for (const helper of helpers) {
        await helper.connection.close();
        helper.leave();
      }
      throw error;
    }
  }
  return helpers;
}

function lend(reading: Reading, connection: Connection, ended: { why?: unknown }): LentConnection {
  const { job, parts } = reading;
  const { maxBodyBytes, requestTimeoutMs } = parts.settings;
  const stream = connection.handOver();
  const note = (why: unknown) => {
    ended.why ??= why;
  };
  stream.once("close", () => note(new Error("Connection terminated unexpectedly")));
  return {
    stream,
    silenceMs: requestTimeoutMs,
    onData: ({ bytes, rows, longest }) => {
      job.traffic.sizeBytes += bytes;
      if (rows > 0) job.onCame?.(rows);
      if (longest <= maxBodyBytes) return;
      note(rowTooLarge(reading));
      throw ended.why;
    },
    onSilence: () => note(new ServerSilent(`the server sent nothing for ${requestTimeoutMs / 1000} s`)),
  };
}
