import { projectFolders } from "../core/config.ts";
import { messageOf, ProjectError, projectErrorsOf } from "../core/errors.ts";
import { type Session, SqlError } from "../engines/engine.ts";
import { hasCursorPerParent, type ParentWork, readByParent } from "./child-parts.ts";
import {
  commitPart,
  commitUnchanged,
  entryOf,
  type Progress,
  reportCursor,
  startProgress,
  takeBack,
} from "./commit-part.ts";
import { followCursor } from "./cursor/reach.ts";
import { readCursor } from "./cursor/state.ts";
import { definitionDigest } from "./definition-digest.ts";
import { type PartEnd, readInParts } from "./load-parts.ts";
import { type LoadPlan, planLoad } from "./load-plan.ts";
import { createLanding } from "./raw/landing.ts";
import { recordLoad } from "./raw/loads.ts";
import { readPages } from "./raw/pages.ts";
import { createCursorTable, writeCursors } from "./raw/parent-cursors.ts";
import { parentRecords, type StoredParent } from "./raw/parent-records.ts";
import { quarantineSql } from "./raw/quarantine.ts";
import { sqlTime } from "./raw/tables.ts";
import { forgetLoad } from "./raw/unfinished.ts";
import {
  type Batch,
  type FormerPages,
  type Parent,
  type ReadJob,
  type StreamRange,
  streamName,
} from "./reader.ts";
import { ordersByCursor } from "./records/record.ts";
import type { RowFetch, RowLines } from "./records/row-types.ts";
import { nameOf, report, reportAccepted, reportPage, reportQuarantine } from "./report-stream.ts";
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
    drift: [],
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
  const landing = await createLanding(session, ordersByCursor(stream), {
    inParts: plan.inParts || isByParent,
  });
  const reach = followCursor(stream, { plan, now: progress.startedAt });
  const shown = job.progress;
  const definition = pagesDefinitionOf(job, plan);
  progress.pagesDefinition = definition;
  const known = definition === null || plan.readsAgain ? null : await readPages(place, definition);
  const commit = (end: PartEnd) => {
    if (end.batch === null) shown.state = "committing";
    if (known !== null && end.pageList?.isUnchanged)
      return commitUnchanged(job, { session, progress, known, end });
    return commitPart(job, { session, progress, plan, landing, reach, end });
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
  const landLines = async (lines: RowLines) => {
    const records = await landing.addLines(lines);
    shown.records += records;
    shown.page += 1;
    reportPage(ctx, result, { page: lines.number, pages: Number.POSITIVE_INFINITY, records });
  };
  const onFetch = async (fetch: RowFetch) => {
    const records = await landing.addFetched(fetch);
    shown.records = records;
    shown.page += 1;
    reportPage(ctx, result, { page: 1, pages: 1, records });
  };
  const takesLines = stream.cursor === undefined && plan.range.limit === null;
  const tell: FormerPages["tell"] = ({ number, lastNumber, records, isHandedOn }) => {
    shown.records += isHandedOn ? -records : records;
    shown.page += isHandedOn ? -1 : 1;
    if (!isHandedOn) reportPage(ctx, result, { page: number, pages: lastNumber, records });
  };
  const folder = projectFolders(ctx.projectDir).target;
  const readJob = {
    stream: stream.name,
    range: plan.range,
    readsAgain: plan.readsAgain,
    formerPages: definition === null ? undefined : { former: known?.entries ?? null, folder, tell },
    traffic: result,
    signal: ctx.signal,
    warehouse: { engine, session, tables },
    onLines: takesLines ? landLines : undefined,
    onFetch: takesLines ? onFetch : undefined,
    onCame: (rows: number) => {
      shown.records += rows;
    },
  };
  const common = { ctx, stream, plan, commitRecords: settings.commitRecords, land, restart };
  if (isByParent) {
    const read = await loadByParent(job, { readJob, common, session, startedAt: progress.startedAt, commit });
    reportCursor(job, read);
    reportQuarantine(job, result, progress.keyless);
    reportAccepted(job, progress);
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
  reportAccepted(job, progress);
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

/** What else decides what a load of the stream's pages leads to; null when more than that decides it. */
function pagesDefinitionOf({ code, source, stream, parent }: StreamJob, plan: LoadPlan): string | null {
  const { cursor, contract = {} } = stream;
  const isRest = source.type === undefined || source.type === "rest";
  const isWhole = plan.mode === "full" && plan.concludesDeletions && cursor === undefined;
  if (code === null || !isRest || !isWhole || parent !== undefined) return null;
  // One depends on the time, and what is accepted is told again with each load.
  if (contract.fresh !== undefined || contract.onInvalid === "accept") return null;
  return definitionDigest(code, source, stream);
}

async function* everything(parents: AsyncIterable<StoredParent>, range: StreamRange): AsyncGenerator<Parent> {
  for await (const { key, text } of parents) yield { key, text, range };
}

function parentsOf({ engine, source, stream, parent }: StreamJob): AsyncIterable<StoredParent> {
  if (parent === undefined) throw new Error(`${stream.name} has no parent`);
  const { name, loading } = parent;
  return parentRecords({ engine, source: source.name, stream: stream.name, parent: name, loading });
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
  // A damaged file stays as it is.
  if (session === undefined || error.code === "WAREHOUSE_DAMAGED") return;
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
      const { refused } = progress;
      const place = { engine, session, tables, stream: stream.name };
      return recordLoad(place, entry, async (loadId) => {
        await forgetLoad(place, stream.name);
        if (refused === null) return;
        const loadedAt = sqlTime(engine, entry.endedAt);
        await session.run(quarantineSql({ ...place, landed: refused.landed, loadId, loadedAt }));
      });
    });
  } catch (writeError) {
    // The result says already what failed; this is a second fault, such as a full disk.
    ctx.log.warn(
      "load_unrecorded",
      `${nameOf(result)}: its failure is not in _loads: ${messageOf(writeError)}`,
    );
  }
}
