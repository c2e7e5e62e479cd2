import type { Session } from "../engines/engine.ts";
import { type Judged, judgeBatch } from "./contract/judge.ts";
import { repeatedKeys } from "./contract/repeated-keys.ts";
import { emptyTally, mergeTally, type Tally } from "./contract/tally.ts";
import type { Reach } from "./cursor/reach.ts";
import { changeJson, changeText, type SchemaChange } from "./drift/change.ts";
import { findDrift } from "./drift/find-drift.ts";
import { writeDifference } from "./drift/schema-table.ts";
import type { PartEnd } from "./load-parts.ts";
import type { LoadPlan } from "./load-plan.ts";
import { commitLoad } from "./raw/commit.ts";
import type { Landing } from "./raw/landing.ts";
import { recordLoad } from "./raw/loads.ts";
import { type KnownPages, passPagesOn, unchangedCounts, writePages } from "./raw/pages.ts";
import { forgetLoad } from "./raw/unfinished.ts";
import { streamName } from "./reader.ts";
import type { StreamJob } from "./stream-job.ts";
import { NO_COUNTS, type StreamCounts, type StreamResult, type Traffic } from "./stream-result.ts";

/** How far one load has come. */
export interface Progress {
  result: StreamResult;
  startedAt: Date;
  mode: string;
  /** What earlier parts of the load have in their own rows of `_loads`. */
  told: Traffic & { pages: number };
  /** What the pages of a whole list are remembered with, see `pagesDefinitionOf`; null when they are not. */
  pagesDefinition: string | null;
  /** Refused records without a readable key. */
  keyless: number;
  /** All of the load that has come to a commit. */
  seen: Tally;
  /** What a broken contract keeps from being committed, for SQL: its refused records go to quarantine. */
  refused: { landed: string; error: unknown } | null;
}

export function startProgress(job: StreamJob, result: StreamResult, startedAt: Date): Progress {
  const told = { pages: 0, requests: 0, retries: 0, sizeBytes: 0 };
  return {
    result,
    startedAt,
    mode: job.stream.mode ?? "full",
    told,
    pagesDefinition: null,
    keyless: 0,
    seen: emptyTally(),
    refused: null,
  };
}

/** What is known of a part for its row in `_loads`. */
export function entryOf({ ctx }: StreamJob, { result, startedAt, mode, told }: Progress) {
  return {
    mode,
    pages: Math.max(0, result.pages - told.pages),
    requests: result.requests - told.requests,
    retries: result.retries - told.retries,
    sizeBytes: result.sizeBytes - told.sizeBytes,
    startedAt,
    endedAt: ctx.clock.now(),
  };
}

export interface PartOfLoad {
  session: Session;
  progress: Progress;
  plan: LoadPlan;
}

/** Commits what has landed up to the end of a part, with its cursor. */
export async function commitPart(
  job: StreamJob,
  {
    session,
    progress,
    plan,
    landing,
    reach,
    end,
  }: PartOfLoad & { landing: Landing; reach: Reach; end: PartEnd },
): Promise<void> {
  const { engine, tables, stream } = job;
  const { result, pagesDefinition } = progress;
  if (progress.refused !== null) throw progress.refused.error;
  await landing.flush();
  const landed =
    end.batch === null ? landing.table : `(select * from ${landing.table} where page <= ${end.batch})`;
  result.pages = end.pages;
  const tally = landing.takeTally(end.batch);
  mergeTally(progress.seen, tally);
  const place = { engine, session, tables, stream: stream.name };
  const committed = await job.inTurn(async () => {
    const drift = await findDrift({ ...place, landed }, tally.members, plan.mode !== "backfill");
    await judgePart(job, { session, progress, plan, end, landed, tally, reach, drift: drift.changes });
    const entry = {
      ...entryOf(job, progress),
      cursor: end.cursor?.text ?? null,
      outcome: "ok" as const,
      error: null,
    };
    const compare = !plan.isAppend ? "key" : stream.cursor === undefined ? "nothing" : "content";
    const { concludesDeletions } = plan;
    const load = await commitLoad({
      ...place,
      landed,
      entry,
      concludesDeletions,
      compare,
      part: end.read,
      alsoWrite: async (loadId, judged) => {
        await writeDifference(place, loadId, drift);
        const { pageList } = end;
        if (pageList !== undefined && pagesDefinition !== null)
          await writePages(place, {
            ...judged,
            loadId,
            entries: pageList.entries,
            definition: pagesDefinition,
          });
        // With its last part a load has ended.
        if (end.batch === null) await forgetLoad(place, stream.name);
      },
    });
    return { ...load, drift: drift.changes };
  });
  if (end.batch !== null) await session.run(`delete from ${landing.table} where page <= ${end.batch}`);
  const { pages, requests, retries, sizeBytes } = result;
  progress.told = { pages, requests, retries, sizeBytes };
  progress.keyless += committed.keyless;
  result.loadId = committed.loadId;
  result.counts = addCounts(result.counts, committed.counts);
  result.drift.push(...committed.drift);
  reportDrift(job, committed.drift);
}

/** Commits that all pages are those of the load before: only a row of `_loads` is written. */
export async function commitUnchanged(
  job: StreamJob,
  { session, progress, known, end }: Omit<PartOfLoad, "plan"> & { known: KnownPages; end: PartEnd },
): Promise<void> {
  const { engine, tables, stream } = job;
  const { result } = progress;
  result.pages = end.pages;
  result.counts = unchangedCounts(known);
  progress.keyless = known.keyless;
  const place = { engine, session, tables, stream: stream.name };
  result.loadId = await job.inTurn(() => {
    const { counts } = result;
    const entry = { ...entryOf(job, progress), cursor: null, outcome: "ok" as const, counts, error: null };
    return recordLoad(place, entry, async (loadId) => {
      await passPagesOn(place, loadId);
      await forgetLoad(place, stream.name);
    });
  });
}

/** Throws CONTRACT_BROKEN or CHECK_FAILED. */
async function judgePart(
  { source, stream }: StreamJob,
  {
    session,
    progress,
    plan,
    end,
    landed,
    tally,
    reach,
    drift,
  }: PartOfLoad & { end: PartEnd; landed: string; tally: Tally; reach: Reach; drift: SchemaChange[] },
): Promise<void> {
  const { contract } = stream;
  if (contract === undefined) return;
  const { seen, result, startedAt } = progress;
  const isAll = end.whole !== undefined && plan.mode !== "backfill";
  const judged: Judged = {
    name: streamName({ source, stream }),
    contract,
    part: tally,
    load: seen,
    invalid: seen.invalid,
    given: seen.received + reach.outside(),
    whole: isAll ? (end.whole ?? null) : null,
    repeated: contract.unique === true ? await repeatedKeys(session, landed) : null,
    now: startedAt,
    isBegun: result.loadId !== null,
    drift: drift.map(changeText),
  };
  try {
    judgeBatch(judged);
  } catch (error) {
    progress.refused = { landed, error };
    throw error;
  }
}

/** Changes that one line tells. */
const TOLD_CHANGES = 5;

function reportDrift({ ctx, source, stream }: StreamJob, drift: readonly SchemaChange[]): void {
  if (drift.length === 0) return;
  const more = drift.length > TOLD_CHANGES ? [`${drift.length - TOLD_CHANGES} more`] : [];
  const told = [...drift.slice(0, TOLD_CHANGES).map(changeText), ...more].join("; ");
  const name = streamName({ source, stream });
  ctx.log.warn("schema_drift", `${name}: the records have changed: ${told}`, {
    source: source.name,
    stream: stream.name,
    changes: drift.map(changeJson),
  });
}

/** Sets the cursor back to where it was before the load. */
export async function takeBack(job: StreamJob, { session, progress, plan }: PartOfLoad): Promise<void> {
  const { engine, tables, stream } = job;
  const cursor = plan.known?.text ?? null;
  const entry = { ...entryOf(job, progress), cursor, outcome: "ok" as const, counts: NO_COUNTS, error: null };
  await recordLoad({ engine, session, tables, stream: stream.name }, entry);
}

function addCounts(one: StreamCounts, other: StreamCounts): StreamCounts {
  const names = Object.keys(one) as (keyof StreamCounts)[];
  return Object.fromEntries(names.map((name) => [name, one[name] + other[name]])) as unknown as StreamCounts;
}

/** What the cursor did not follow, and what the source sent unasked. */
export function reportCursor({ ctx, stream }: StreamJob, reach: Pick<Reach, "odd" | "outside">): void {
  const about = { stream: stream.name };
  for (const { what, count, keys } of reach.odd()) {
    const shown = `${keys.join(", ")}${count > keys.length ? ", …" : ""}`;
    ctx.log.warn(
      "cursor_odd",
      `${stream.name}: ${what} in ${count === 1 ? "a record" : `${count} records`} (key ${shown}): landed`,
      { ...about, what, count, keys },
    );
  }
  if (reach.outside() === 0) return;
  ctx.log.warn(
    "records_unasked",
    `${stream.name}: ${reach.outside()} records outside the range that was asked for came all the same and were left out; see whether the service heeds the parameter`,
    { ...about, count: reach.outside() },
  );
}
