import type { Context } from "../core/context.ts";
import { describeError, messageOf, ProjectError, projectErrorsOf } from "../core/errors.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import { type Engine, type Session, SqlError } from "../engines/engine.ts";
import { commitLoad } from "./raw/commit.ts";
import { createLanding } from "./raw/landing.ts";
import { writeFailedLoad } from "./raw/loads.ts";
import type { RawTables } from "./raw/tables.ts";
import { type Reader, type StreamRange, streamName } from "./reader.ts";
import type { IngestSettings } from "./settings.ts";
import { NO_COUNTS, type StreamResult } from "./stream-result.ts";

export interface StreamJob {
  ctx: Context;
  engine: Engine;
  settings: IngestSettings;
  source: SourceDefinition;
  stream: StreamDefinition;
  reader: Reader;
  tables: RawTables;
  /** Lets one piece of work after another write to the source's tables. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
}

/** Loads one stream, all or nothing. A fault of the source or the engine is a result; anything else is thrown. */
export async function loadStream(job: StreamJob): Promise<StreamResult> {
  const { ctx, source, stream } = job;
  const startedAt = ctx.clock.now();
  const result: StreamResult = {
    source: source.name,
    stream: stream.name,
    status: "ok",
    loadId: null,
    counts: NO_COUNTS,
    pages: 0,
    requests: 0,
    retries: 0,
    sizeBytes: 0,
    seconds: 0,
    error: null,
  };
  let session: Session | undefined;
  try {
    session = await job.engine.openSession();
    await readAndCommit(job, session, { result, startedAt });
  } catch (error) {
    if (ctx.signal.aborted) result.status = "interrupted";
    else await recordFailure(job, session, { result, startedAt, error: streamError(job, error) });
  } finally {
    session?.close();
  }
  result.seconds = (ctx.clock.now().getTime() - startedAt.getTime()) / 1000;
  report(ctx, result);
  return result;
}

const EVERYTHING: StreamRange = { since: null, until: null, limit: null };

interface Progress {
  result: StreamResult;
  startedAt: Date;
}

async function readAndCommit(job: StreamJob, session: Session, progress: Progress): Promise<void> {
  const { ctx, engine, tables, stream } = job;
  const { result } = progress;
  const landing = await createLanding(session, stream);
  const outcome = await job.reader.read({
    stream: stream.name,
    range: EVERYTHING,
    traffic: result,
    signal: ctx.signal,
    warehouse: { engine, session, tables },
    restart: landing.restart,
    onBatch: async ({ number, lastNumber, records }) => {
      await landing.add(number, records);
      reportPage(ctx, result, { page: number, pages: lastNumber, records: records.length });
    },
  });
  result.pages = outcome.pages;
  await landing.flush();
  const committed = await job.inTurn(() => {
    const entry = { ...entryOf(job, progress), outcome: "ok" as const, error: null };
    const load = { engine, session, tables, stream: stream.name, landed: landing.table, entry };
    return commitLoad({ ...load, part: outcome.part });
  });
  result.loadId = committed.loadId;
  result.counts = committed.counts;
  reportQuarantine(job, result, committed.keyless);
}

/** A record without a readable key may be any of those that did not come, so none of them is taken for deleted. */
function reportQuarantine({ ctx, source }: StreamJob, result: StreamResult, keyless: number): void {
  const { quarantined } = result.counts;
  if (quarantined === 0) return;
  const held =
    keyless > 0 ? `; ${keyless} of them without a readable key, so that no deletion is concluded` : "";
  const look = `run show --inline "select * from raw_${source.name}._quarantine"`;
  ctx.log.warn(
    "records_quarantined",
    `${nameOf(result)}: ${quarantined} in quarantine${held}; to see them: ${look}`,
    {
      source: result.source,
      stream: result.stream,
      quarantined,
      keyless,
    },
  );
}

function entryOf({ ctx }: StreamJob, { result, startedAt }: Progress) {
  const { pages, requests, retries, sizeBytes } = result;
  return { pages, requests, retries, sizeBytes, startedAt, endedAt: ctx.clock.now() };
}

function streamError(job: StreamJob, error: unknown): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  const name = streamName(job);
  return new ProjectError("LOAD_FAILED", {
    message: `${name}: the engine could not store the records`,
    where: name,
    why: [job.ctx.secrets.mask(messageOf(error)).slice(0, 500)],
    hint: "nothing of this stream was changed: correct what the engine complains about, then run again",
    cause: error,
  });
}

async function recordFailure(
  job: StreamJob,
  session: Session | undefined,
  progress: Progress & { error: ProjectError },
): Promise<void> {
  const { ctx, engine, tables, stream } = job;
  const { result, error } = progress;
  result.status = "failed";
  result.error = error;
  if (session === undefined) return;
  const text = ctx.secrets.mask([error.message, ...error.why].join("; "));
  try {
    result.loadId = await job.inTurn(() => {
      const entry = { ...entryOf(job, progress), outcome: "failed" as const, counts: NO_COUNTS, error: text };
      return writeFailedLoad({ engine, session, tables, stream: stream.name }, entry);
    });
  } catch (writeError) {
    // The result says already what failed; this is a second fault, such as a full disk.
    ctx.log.warn(
      "load_unrecorded",
      `${nameOf(result)}: its failure is not in _loads: ${messageOf(writeError)}`,
    );
  }
}

function nameOf({ source, stream }: StreamResult): string {
  return `${source}.${stream}`;
}

function reportPage(
  ctx: Context,
  result: StreamResult,
  landed: { page: number; pages: number; records: number },
): void {
  const { source, stream } = result;
  const pages = Number.isFinite(landed.pages) ? landed.pages : null;
  const end = pages === null ? "" : ` of ${pages}`;
  const message = `${nameOf(result)}: page ${landed.page}${end} landed`;
  ctx.log.debug("page_landed", message, { ...landed, source, stream, pages });
}

function report(ctx: Context, result: StreamResult): void {
  const { source, stream, status, counts, seconds, error } = result;
  const fields = { source, stream, ...counts, seconds, requests: result.requests, retries: result.retries };
  if (status === "ok") {
    const message = `${nameOf(result)}: ${counts.received} records, ${counts.new} new, ${counts.changed} changed, ${counts.deleted} deleted, ${counts.quarantined} in quarantine`;
    ctx.log.info("stream_loaded", message, fields);
  } else if (status === "failed") {
    ctx.log.error("stream_failed", error === null ? nameOf(result) : describeError(error), {
      ...fields,
      code: error?.code,
    });
  } else {
    ctx.log.warn("stream_interrupted", `${nameOf(result)}: interrupted; nothing of it was changed`, fields);
  }
}
