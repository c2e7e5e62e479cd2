import type { Context } from "../core/context.ts";
import { describeError, messageOf, ProjectError, projectErrorsOf } from "../core/errors.ts";
import type { StreamDefinition } from "../core/sillon.ts";
import { type Session, SqlError } from "../engines/engine.ts";
import { hasCursorPerParent, type ParentWork, readByParent } from "./child-parts.ts";
import { commitPart, entryOf, type Progress, reportCursor, startProgress, takeBack } from "./commit-part.ts";
import { followCursor } from "./cursor/reach.ts";
import { readCursor } from "./cursor/state.ts";
import { type PartEnd, readInParts } from "./load-parts.ts";
import { planLoad } from "./load-plan.ts";
import { createLanding } from "./raw/landing.ts";
import { recordLoad } from "./raw/loads.ts";
import { createCursorTable, writeCursors } from "./raw/parent-cursors.ts";
import { parentRecords, type StoredParent } from "./raw/parent-records.ts";
import { type Batch, type Parent, type ReadJob, type StreamRange, streamName } from "./reader.ts";
import type { StreamJob } from "./stream-job.ts";
import { NO_COUNTS, type StreamResult } from "./stream-result.ts";

/** Loads one stream: all or nothing, or part by part where its cursor is ordered. A fault of the source or the engine is a result; anything else is thrown. */
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
  const progress = startProgress(job, result, startedAt);
  Object.assign(job.progress, { state: "loading", traffic: result, startedMs: startedAt.getTime() });
  let session: Session | undefined;
  try {
    session = await job.engine.openSession();
    await readAndCommit(job, session, progress);
  } catch (error) {
    if (ctx.signal.aborted) result.status = "interrupted";
    else await recordFailure(job, session, { ...progress, error: streamError(job, error) });
  } finally {
    session?.close();
  }
  job.progress.state = "ended";
  result.seconds = (ctx.clock.now().getTime() - startedAt.getTime()) / 1000;
  report(ctx, result);
  return result;
}

async function readAndCommit(job: StreamJob, session: Session, progress: Progress): Promise<void> {
  const { ctx, engine, tables, stream, settings } = job;
  const { result } = progress;
  const place = { engine, session, tables, stream: stream.name };
  const isByParent = hasCursorPerParent(stream);
  const state =
    stream.cursor && !isByParent ? await readCursor(place, stream.cursor) : { cursor: null, loadedAt: null };
  const plan = planLoad(stream, { bounds: job.bounds, state, isOfFiles: job.source.type === "files" });
  progress.mode = plan.mode;
  const landing = await createLanding(session, ordersByCursor(stream));
  const reach = followCursor(stream, { plan, now: progress.startedAt });
  const shown = job.progress;
  const commit = (end: PartEnd) => {
    if (end.batch === null) shown.state = "committing";
    return commitPart(job, { session, progress, plan, landing, end });
  };
  const restart = () => {
    Object.assign(shown, { records: 0, page: 0, pages: null });
    return landing.restart();
  };
  const land = async ({ number, lastNumber, records }: Batch) => {
    await landing.add(number, records);
    shown.records += records.length;
    shown.page += 1;
    shown.pages = Number.isFinite(lastNumber) ? lastNumber : null;
    reportPage(ctx, result, { page: number, pages: lastNumber, records: records.length });
  };
  const readJob = {
    stream: stream.name,
    range: plan.range,
    readsAgain: plan.readsAgain,
    traffic: result,
    signal: ctx.signal,
    warehouse: { engine, session, tables },
  };
  const common = { ctx, stream, plan, commitRecords: settings.commitRecords, land, restart };
  if (isByParent) {
    const read = await loadByParent(job, { readJob, common, session, startedAt: progress.startedAt, commit });
    reportCursor(job, read);
    reportQuarantine(job, result, progress.keyless);
    return;
  }
  const parents = () => everything(parentsOf(job), plan.range);
  await readInParts(
    job.reader,
    { ...readJob, parents },
    {
      ...common,
      reach,
      commit,
      takeBack: () => job.inTurn(() => takeBack(job, { session, progress, plan })),
    },
  );
  reportCursor(job, reach);
  reportQuarantine(job, result, progress.keyless);
}

/** Of two versions of a record in one load the one with the newer cursor counts, unless the stream says otherwise. */
function ordersByCursor(stream: StreamDefinition): StreamDefinition {
  const { updatedAt, cursor } = stream;
  const isTime = cursor !== undefined && (cursor.type ?? "time") === "time" && cursor.unit === undefined;
  return updatedAt === undefined && isTime ? { ...stream, updatedAt: cursor.field } : stream;
}

/** A child stream whose lists go on from cursors of their own. */
async function loadByParent(
  job: StreamJob,
  {
    readJob,
    common,
    session,
    startedAt,
    commit,
  }: {
    readJob: Omit<ReadJob, "restart" | "onBatch" | "parents">;
    common: Omit<ParentWork, "bounds" | "now" | "parents" | "commit">;
    session: Session;
    startedAt: Date;
    commit(end: PartEnd): Promise<void>;
  },
) {
  const { engine, tables, stream, bounds } = job;
  const place = { engine, session, tables };
  await job.inTurn(() => createCursorTable(place));
  const isWhole = common.plan.concludesDeletions;
  return readByParent(job.reader, readJob, {
    ...common,
    bounds,
    now: startedAt,
    parents: () => parentsOf(job),
    commit: (end, cursors) => {
      const write = ({ loadId }: { loadId: number }) =>
        writeCursors(place, { stream: stream.name, cursors, loadId, startedAt, isWhole });
      return commit({ ...end, read: { mayBeGone: "true", commit: write } });
    },
  });
}

async function* everything(parents: AsyncIterable<StoredParent>, range: StreamRange): AsyncGenerator<Parent> {
  for await (const { key, text } of parents) yield { key, text, range };
}

function parentsOf({ engine, source, stream, parent }: StreamJob): AsyncIterable<StoredParent> {
  if (parent === undefined) throw new Error(`${stream.name} has no parent`);
  const { name, loading } = parent;
  return parentRecords({ engine, source: source.name, stream: stream.name, parent: name, loading });
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
      const entry = {
        ...entryOf(job, progress),
        cursor: null,
        outcome: "failed" as const,
        counts: NO_COUNTS,
        error: text,
      };
      return recordLoad({ engine, session, tables, stream: stream.name }, entry);
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
    const kept = result.loadId === null ? "nothing of it was changed" : "what had been committed stays";
    ctx.log.warn("stream_interrupted", `${nameOf(result)}: interrupted; ${kept}`, fields);
  }
}
