import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import type { RunRow, RunTrigger, StateDatabase, StateTables } from "../../state/database.ts";
import type { RunStatus } from "../../state/run-statuses.ts";
import { emptyRun, JOB_COMMAND } from "../../state/runs.ts";
import type { Job } from "../jobs/job.ts";

export type Changes = Transaction<StateTables>;

/** A run that is wanted. */
export interface Wanted {
  trigger: RunTrigger;
  due?: Date;
  /** The run that asks for it. */
  cause?: string;
}

/** Whether a job has runs that go on or wait; brought up to date by `admitRun`. */
export interface OpenRuns {
  running: string[];
  queued: string[];
}

/** The runs of jobs that go on or wait, by job. */
export async function openRuns(
  changes: StateDatabase | Changes,
  job?: string,
): Promise<Map<string, OpenRuns>> {
  let query = changes
    .selectFrom("runs")
    .select(["id", "job", "status"])
    .where("status", "in", ["queued", "running"])
    .where("command", "=", JOB_COMMAND);
  if (job !== undefined) query = query.where("job", "=", job);
  const rows = await query.orderBy("queued_at").orderBy("id").execute();
  const open = new Map<string, OpenRuns>();
  for (const { id, job: name, status } of rows) {
    const ids = open.get(name ?? "") ?? { running: [], queued: [] };
    ids[status === "running" ? "running" : "queued"].push(id);
    open.set(name ?? "", ids);
  }
  return open;
}

/**
 * The row of a wanted run as the job's policy for overlaps decides: queued, or skipped with the reason. With
 * `replace` the run that goes on is asked to end, and one that waits makes room. Nothing is written for the new run itself.
 */
export async function admitRun(
  changes: Changes,
  job: Job,
  wanted: Wanted & { now: Date; open: OpenRuns; isPaused: boolean },
): Promise<RunRow> {
  const { open, isPaused, trigger } = wanted;
  const isFree = open.running.length + open.queued.length === 0;
  if (isPaused && trigger !== "hand" && trigger !== "api")
    return runRow(job, wanted, "skipped", "the job is paused");
  // Moments that are caught up with run one after the other, whatever may overlap.
  if (isFree || trigger === "catch_up") return queue(job, wanted);
  if (job.overlap === "skip") {
    const [other = ""] = [...open.running, ...open.queued];
    return runRow(job, wanted, "skipped", `run ${short(other)} was still going (overlap: skip)`);
  }
  if (job.overlap === "queue") {
    const [waiting] = open.queued;
    if (waiting === undefined) return queue(job, wanted);
    return runRow(job, wanted, "skipped", `run ${short(waiting)} was already waiting (overlap: queue)`);
  }
  const row = queue(job, wanted);
  await replaceOpen(changes, open, row);
  return row;
}

async function replaceOpen(changes: Changes, open: OpenRuns, { id, queued_at }: RunRow): Promise<void> {
  const reason = `run ${short(id)} took its place (overlap: replace)`;
  const waiting = open.queued.filter((other) => other !== id);
  if (open.running.length > 0)
    await changes
      .updateTable("runs")
      .set({ is_cancelled: 1, reason })
      .where("id", "in", open.running)
      .execute();
  if (waiting.length > 0)
    await changes
      .updateTable("runs")
      .set({ status: "skipped", reason, ended_at: queued_at })
      .where("id", "in", waiting)
      .execute();
  open.queued = [id];
}

function queue(job: Job, wanted: Wanted & { now: Date; open: OpenRuns }): RunRow {
  const row = runRow(job, wanted, "queued", null);
  wanted.open.queued.push(row.id);
  return row;
}

/** The row of a job's run that has not begun. */
export function runRow(
  { name }: Pick<Job, "name">,
  { now, trigger, due, cause }: Wanted & { now: Date },
  status: RunStatus,
  reason: string | null,
): RunRow {
  const at = now.toISOString();
  const run = emptyRun({
    id: randomUUID(),
    command: JOB_COMMAND,
    invocation: `job ${name}`,
    trigger,
    queued_at: at,
    status,
  });
  const ended_at = status === "queued" ? null : at;
  return { ...run, job: name, due_at: due?.toISOString() ?? null, cause: cause ?? null, reason, ended_at };
}

/** Few enough for SQLite's limit of parameters. */
const ROWS_AT_ONCE = 500;

/** Writes runs down. A due moment, or a cause, that has its run already gets no second one. */
export async function insertRuns(changes: Changes, rows: readonly RunRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
    await changes
      .insertInto("runs")
      .values(rows.slice(from, from + ROWS_AT_ONCE))
      .onConflict((conflict) => conflict.doNothing())
      .execute();
}

/** As people read ids. */
export function short(id: string): string {
  return id.slice(0, 8);
}

/** Asks for a run of the job now, by hand or by a call. Works beside the scheduler, which notices it. */
export async function triggerJob(
  state: StateDatabase,
  job: Job,
  { trigger, now }: { trigger: "hand" | "api"; now: Date },
): Promise<RunRow> {
  return state.transaction().execute(async (changes) => {
    await rememberJobs(changes, [job.name], now);
    const open = (await openRuns(changes, job.name)).get(job.name) ?? { running: [], queued: [] };
    const row = await admitRun(changes, job, { trigger, now, open, isPaused: false });
    await insertRuns(changes, [row]);
    return row;
  });
}

/** Jobs that are seen for the first time are due from `now` on. The first write of a transaction, so that it never has to begin again. */
export async function rememberJobs(changes: Changes, names: readonly string[], now: Date): Promise<void> {
  const at = now.toISOString();
  for (let from = 0; from < names.length; from += ROWS_AT_ONCE)
    await changes
      .insertInto("jobs")
      .values(
        names
          .slice(from, from + ROWS_AT_ONCE)
          .map((job) => ({ job, seen_until: at, is_paused: 0, loads_until: at })),
      )
      .onConflict((conflict) => conflict.doNothing())
      .execute();
}

/** Asks for the end of a run. One that waits is cancelled at once. Returns how it stands now, undefined when it had ended. */
export async function cancelRun(state: StateDatabase, id: string, now: Date): Promise<RunStatus | undefined> {
  return state.transaction().execute(async (changes) => {
    const reason = "somebody cancelled it";
    const waiting = await changes
      .updateTable("runs")
      .set({ status: "cancelled", reason, ended_at: now.toISOString(), is_cancelled: 1 })
      .where("id", "=", id)
      .where("status", "=", "queued")
      .executeTakeFirst();
    if (waiting.numUpdatedRows > 0n) return "cancelled";
    const running = await changes
      .updateTable("runs")
      .set({ is_cancelled: 1, reason })
      .where("id", "=", id)
      .where("status", "=", "running")
      .executeTakeFirst();
    return running.numUpdatedRows > 0n ? "running" : undefined;
  });
}

export async function setPaused(
  state: StateDatabase,
  { name, isPaused, now }: { name: string; isPaused: boolean; now: Date },
): Promise<void> {
  await state.transaction().execute(async (changes) => {
    await rememberJobs(changes, [name], now);
    await changes
      .updateTable("jobs")
      .set({ is_paused: isPaused ? 1 : 0 })
      .where("job", "=", name)
      .execute();
  });
}
