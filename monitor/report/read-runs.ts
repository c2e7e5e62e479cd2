import type { RunRow, StateDatabase } from "../../state/database.ts";
import { JOB_COMMAND } from "../../state/runs.ts";
import { medianOf } from "../metrics/robust.ts";
import type { BadRun, RunGroup, Stretch } from "./report.ts";
import { usualOf } from "./usual.ts";

const FAILED = ["failed", "interrupted", "crashed", "timed_out", "failed_to_start", "cancelled"];
const OPEN = ["queued", "running"];
/** Durations that are looked at, of this stretch of time and of the time before. */
const SAMPLES = 500;
const SHOWN = { recent: 20, bad: 10 } as const;

type Run = Pick<RunRow, "status" | "started_at" | "ended_at">;
interface Key {
  job: string | null;
  command: string;
}

/** The runs of each job and typed command, those of jobs first; `without` is the run that asks. */
export async function readRuns(
  state: StateDatabase,
  stretch: Stretch,
  without: readonly string[],
): Promise<RunGroup[]> {
  const counts = await state
    .selectFrom("runs")
    .select(["job", "command", "status", (row) => row.fn.countAll<number>().as("count")])
    .where("parent_id", "is", null)
    .where("queued_at", ">=", stretch.since)
    .where("queued_at", "<", stretch.until)
    .where("id", "not in", [...without, ""])
    .groupBy(["job", "command", "status"])
    .execute();
  const groups = new Map<string, { key: Key; byStatus: Map<string, number> }>();
  for (const { job, command, status, count } of counts) {
    const name = `${job ?? ""} ${command}`;
    const group = groups.get(name) ?? { key: { job, command }, byStatus: new Map() };
    group.byStatus.set(status, Number(count));
    groups.set(name, group);
  }
  const read: RunGroup[] = [];
  for (const { key, byStatus } of groups.values())
    read.push(await groupOf(state, { key, byStatus, stretch, without }));
  return read.sort(
    (a, b) => Number(b.is_job) - Number(a.is_job) || b.failed - a.failed || (a.name < b.name ? -1 : 1),
  );
}

async function groupOf(
  state: StateDatabase,
  {
    key,
    byStatus,
    stretch,
    without,
  }: { key: Key; byStatus: Map<string, number>; stretch: Stretch; without: readonly string[] },
): Promise<RunGroup> {
  const here = await newest(state, key, { ...stretch, without });
  const before = await newest(state, key, { since: "", until: stretch.since, without });
  const seconds = secondsOf(here);
  const usual = usualOf(secondsOf(before));
  const count = (...statuses: string[]) =>
    statuses.reduce((sum, status) => sum + (byStatus.get(status) ?? 0), 0);
  return {
    name: key.job ?? `run ${key.command}`,
    is_job: key.job !== null,
    done: count("success"),
    failed: count(...FAILED),
    missed: count("missed"),
    skipped: count("skipped"),
    open: count(...OPEN),
    last_status: here.find(({ status }) => status === "success" || FAILED.includes(status))?.status ?? null,
    median_seconds: seconds.length === 0 ? null : medianOf(seconds),
    longest_seconds: seconds.length === 0 ? null : Math.max(...seconds),
    usual_seconds: usual?.median ?? null,
    slow: usual === undefined ? 0 : seconds.filter((one) => one > usual.limit).length,
    recent: seconds.slice(0, SHOWN.recent).reverse(),
  };
}

/** The newest runs first. */
async function newest(
  state: StateDatabase,
  { job, command }: Key,
  { since, until, without }: Stretch & { without: readonly string[] },
): Promise<Run[]> {
  const query = state
    .selectFrom("runs")
    .select(["status", "started_at", "ended_at"])
    .where("parent_id", "is", null)
    .where("queued_at", ">=", since)
    .where("queued_at", "<", until)
    .where("id", "not in", [...without, ""]);
  const own =
    job === null
      ? query.where("job", "is", null).where("command", "=", command)
      : query.where("job", "=", job);
  return own.orderBy("queued_at", "desc").orderBy("id", "desc").limit(SAMPLES).execute();
}

/** Of the runs that were done. */
function secondsOf(runs: readonly Run[]): number[] {
  return runs.flatMap(({ status, started_at, ended_at }) =>
    status === "success" && started_at !== null && ended_at !== null
      ? [(Date.parse(ended_at) - Date.parse(started_at)) / 1000]
      : [],
  );
}

/** The newest runs that ended badly or were missed; what came again and again is one line. */
export async function readBadRuns(state: StateDatabase, { since, until }: Stretch): Promise<BadRun[]> {
  const rows = await state
    .selectFrom("runs")
    .select(["id", "job", "command", "status", "queued_at", "due_at", "reason", "summary"])
    .where("parent_id", "is", null)
    .where("status", "in", [...FAILED, "missed"] as RunRow["status"][]) // words of RUN_STATUSES
    .where("queued_at", ">=", since)
    .where("queued_at", "<", until)
    .orderBy("queued_at", "desc")
    .orderBy("id", "desc")
    .limit(SAMPLES)
    .execute();
  const bad: BadRun[] = [];
  for (const { id, job, command, status, queued_at, due_at, reason, summary } of rows) {
    const name = job ?? `run ${command === JOB_COMMAND ? "" : command}`.trim();
    const at = due_at ?? queued_at;
    const later = bad.findLast((one) => one.name === name);
    if (later?.status === status) Object.assign(later, { times: later.times + 1, first_at: at });
    else bad.push({ id, name, status, at, reason: reason ?? summary ?? "", times: 1, first_at: at });
  }
  return bad.slice(0, SHOWN.bad);
}
