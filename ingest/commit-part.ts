import type { Session } from "../engines/engine.ts";
import type { Reach } from "./cursor/reach.ts";
import type { PartEnd } from "./load-parts.ts";
import type { LoadPlan } from "./load-plan.ts";
import { commitLoad } from "./raw/commit.ts";
import type { Landing } from "./raw/landing.ts";
import { recordLoad } from "./raw/loads.ts";
import type { StreamJob } from "./stream-job.ts";
import { NO_COUNTS, type StreamCounts, type StreamResult, type Traffic } from "./stream-result.ts";

/** How far one load has come. */
export interface Progress {
  result: StreamResult;
  startedAt: Date;
  mode: string;
  /** What earlier parts of the load have in their own rows of `_loads`. */
  told: Traffic & { pages: number };
  /** Refused records without a readable key. */
  keyless: number;
}

export function startProgress(job: StreamJob, result: StreamResult, startedAt: Date): Progress {
  const told = { pages: 0, requests: 0, retries: 0, sizeBytes: 0 };
  return { result, startedAt, mode: job.stream.mode ?? "full", told, keyless: 0 };
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
  { session, progress, plan, landing, end }: PartOfLoad & { landing: Landing; end: PartEnd },
): Promise<void> {
  const { engine, tables, stream } = job;
  const { result } = progress;
  await landing.flush();
  const landed =
    end.batch === null ? landing.table : `(select * from ${landing.table} where page <= ${end.batch})`;
  result.pages = end.pages;
  const committed = await job.inTurn(() => {
    const entry = {
      ...entryOf(job, progress),
      cursor: end.cursor?.text ?? null,
      outcome: "ok" as const,
      error: null,
    };
    const compare = !plan.isAppend ? "key" : stream.cursor === undefined ? "nothing" : "content";
    const { concludesDeletions } = plan;
    return commitLoad({
      engine,
      session,
      tables,
      stream: stream.name,
      landed,
      entry,
      concludesDeletions,
      compare,
      part: end.read,
    });
  });
  if (end.batch !== null) await session.run(`delete from ${landing.table} where page <= ${end.batch}`);
  const { pages, requests, retries, sizeBytes } = result;
  progress.told = { pages, requests, retries, sizeBytes };
  progress.keyless += committed.keyless;
  result.loadId = committed.loadId;
  result.counts = addCounts(result.counts, committed.counts);
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
