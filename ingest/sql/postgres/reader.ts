import type { Context } from "../../../core/context.ts";
import type { SqlSourceDefinition, SqlStreamDefinition } from "../../../core/sillon.ts";
import { backoffMs } from "../../backoff.ts";
import { createHostGate } from "../../http/host-gate.ts";
import { type Reader, type ReadJob, type ReadOutcome, streamName } from "../../reader.ts";
import type { RowLines } from "../../records/row-types.ts";
import type { IngestSettings } from "../../settings.ts";
import { type Connection, connect, driverMessage, resolvePostgres } from "./connection.ts";
import { isOfDatabase, isPassing, postgresError } from "./failure.ts";
import { FetchRefused } from "./fetch.ts";
import type { PostgresParts } from "./parts.ts";
import { readOnce } from "./read-once.ts";

/**
 * Reads tables and queries of a PostgreSQL server, each stream in one snapshot. A stream whose connection is lost is
 * read again from its start. Throws CONNECTION_MISSING or CONNECTION_INVALID (exit 2) before the server is asked.
 */
export function openPostgresReader(
  ctx: Context,
  { source, settings }: { source: SqlSourceDefinition; settings: IngestSettings },
): Reader {
  const place = resolvePostgres(ctx, source);
  const parts = {
    ctx,
    settings,
    source,
    place,
    gate: createHostGate(ctx, { concurrency: settings.concurrency, requestsPerSecond: null }),
  };
  return {
    read: (job) => {
      const stream = source.streams.find((one) => one.name === job.stream);
      if (stream === undefined) throw new Error(`no stream ${job.stream}`);
      return readStream(parts, job, stream);
    },
    reach: async (signal) => {
      let connection: Connection | undefined;
      try {
        connection = await connect(place, { settings, signal });
        const [row] = await connection.query("show server_version");
        return `${place.shown} answers: PostgreSQL ${String(row?.server_version)}`;
      } catch (error) {
        if (!isOfDatabase(error)) throw error;
        throw postgresError(ctx, error, { ...place, name: source.name, attempts: 1 });
      } finally {
        await connection?.close();
      }
    },
    close: async () => {},
  };
}

async function readStream(
  parts: PostgresParts,
  job: ReadJob,
  stream: SqlStreamDefinition,
): Promise<ReadOutcome> {
  const { ctx, settings, source, place } = parts;
  const name = streamName({ source, stream });
  // What landing throws is not the server's fault, whatever it looks like.
  const landing: { error?: unknown } = {};
  const noted = (error: unknown): never => {
    landing.error = error;
    throw error;
  };
  const onBatch: ReadJob["onBatch"] = (batch) => job.onBatch(batch).catch(noted);
  const { onLines } = job;
  const ownJob = {
    ...job,
    onBatch,
    onLines: onLines && ((lines: RowLines) => onLines(lines).catch(noted)),
  };
  let fetches = true;
  for (let attempts = 1; ; attempts++) {
    await job.restart();
    try {
      return await readOnce(parts, ownJob, { stream, fetches });
    } catch (error) {
      job.signal.throwIfAborted();
      if (error instanceof FetchRefused) {
        ctx.log.debug("postgres_extension", `${name}: read over COPY: ${ctx.secrets.mask(error.message)}`);
        fetches = false;
        attempts -= 1;
        continue;
      }
      if (error === landing.error || !isOfDatabase(error)) throw error;
      if (!isPassing(error) || attempts >= settings.maxAttempts) {
        throw postgresError(ctx, error, { ...place, name, stream, attempts });
      }
      job.traffic.retries += 1;
      const waitMs = backoffMs(ctx, settings, attempts);
      const why = ctx.secrets.mask(driverMessage(error));
      ctx.log.warn(
        "reading_restarted",
        `${name}: ${why}; it is read again from its start, attempt ${attempts + 1} of ${settings.maxAttempts} in ${(waitMs / 1000).toFixed(1)} s`,
        { source: source.name, stream: stream.name, attempt: attempts + 1, why, waitMs },
      );
      await ctx.clock.sleep(waitMs, job.signal);
    }
  }
}
