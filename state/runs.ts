import { statSync } from "node:fs";
import { type Expression, type SqlBool, sql } from "kysely";
import type { Context } from "../core/context.ts";
import { isAlive, processStart } from "../core/processes.ts";
import type { RunNodeRow, RunRow, StateDatabase, StepRow } from "./database.ts";
import { logFile } from "./retention.ts";
import type { RunStatus } from "./run-statuses.ts";

/** How a command may end. */
export type CommandStatus = "success" | "failed" | "interrupted";

/** A row of `runs` in which nothing is said yet. */
export function emptyRun(
  run: Pick<RunRow, "id" | "command" | "invocation" | "trigger" | "queued_at" | "status">,
): RunRow {
  return {
    job: null,
    parent_id: null,
    step: null,
    cause: null,
    due_at: null,
    started_at: null,
    ended_at: null,
    pid: null,
    process_start: null,
    exit_code: null,
    signal: null,
    cpu_seconds: null,
    peak_memory_bytes: null,
    reason: null,
    summary: null,
    is_cancelled: 0,
    ...run,
  };
}

/**
 * Writes that a command began, by itself or as a step of a job's run. It reads `running` until `endRun`, or until
 * somebody finds its process gone.
 */
export async function startRun(
  ctx: Context,
  state: StateDatabase,
  run: { command: string; invocation: string; parent?: { id: string; step: string | null } | undefined },
): Promise<void> {
  const at = ctx.startedAt.toISOString();
  const row = emptyRun({
    id: ctx.invocationId,
    command: run.command,
    invocation: ctx.secrets.mask(run.invocation),
    trigger: run.parent === undefined ? "hand" : "job",
    queued_at: at,
    status: "running",
  });
  await state
    .insertInto("runs")
    .values({
      ...row,
      parent_id: run.parent?.id ?? null,
      step: run.parent?.step ?? null,
      started_at: at,
      pid: process.pid,
      process_start: processStart(process.pid),
    })
    .execute();
}

export interface CommandEnd {
  status: CommandStatus;
  exitCode: number;
  summary: string;
  /** Of the process, in its whole life. */
  usage?: { cpuSeconds: number; peakMemoryBytes: number };
}

export async function endRun(
  ctx: Context,
  state: StateDatabase,
  { status, exitCode, summary, usage }: CommandEnd,
): Promise<void> {
  await state
    .updateTable("runs")
    .set({
      status,
      exit_code: exitCode,
      summary: ctx.secrets.mask(summary),
      ended_at: ctx.clock.now().toISOString(),
      cpu_seconds: usage?.cpuSeconds ?? null,
      peak_memory_bytes: usage?.peakMemoryBytes ?? null,
    })
    .where("id", "=", ctx.invocationId)
    .execute();
}

/** Keeps what became of the streams, models and tests of this run, secrets masked. */
export async function keepNodes(
  ctx: Context,
  state: StateDatabase,
  nodes: readonly Omit<RunNodeRow, "run_id" | "place">[],
): Promise<void> {
  if (nodes.length === 0) return;
  const rows = nodes.map((node, place) => ({
    ...node,
    run_id: ctx.invocationId,
    place,
    message: node.message === null ? null : ctx.secrets.mask(node.message),
  }));
  await state.transaction().execute(async (changes) => {
    for (let from = 0; from < rows.length; from += ROWS_AT_ONCE)
      await changes
        .insertInto("run_nodes")
        .values(rows.slice(from, from + ROWS_AT_ONCE))
        .execute();
  });
}

/** SQLite takes 32,766 parameters in a statement. */
const ROWS_AT_ONCE = 500;

/**
 * Marks commands as crashed whose process is gone without having written its end: that was at the last line of their log,
 * or now where there is none. Runs of jobs are the scheduler's.
 */
export async function closeCrashedRuns(
  state: StateDatabase,
  { logs, now }: { logs: string; now: Date },
): Promise<void> {
  const open = await state
    .selectFrom("runs")
    .select(["id", "pid", "process_start"])
    .where("status", "=", "running")
    .where("command", "!=", JOB_COMMAND)
    .execute();
  for (const { id, pid, process_start } of open) {
    if (pid !== null && isAlive({ pid, start: process_start })) continue;
    const lastLineAt = statSync(logFile(logs, id), { throwIfNoEntry: false })?.mtime ?? now;
    const ended_at = (lastLineAt < now ? lastLineAt : now).toISOString();
    await state
      .updateTable("runs")
      .set({ status: "crashed", ended_at, reason: GONE })
      .where("id", "=", id)
      .where("status", "=", "running")
      .execute();
  }
}

const GONE = "its process is gone, and did not say how it ended";

/** What `command` says of a job's run. */
export const JOB_COMMAND = "job";

/** The runs whose id begins so, the newest first; of a whole id at most one. */
export async function findRuns(state: StateDatabase, beginning: string): Promise<RunRow[]> {
  return state
    .selectFrom("runs")
    .selectAll()
    .where("id", ">=", beginning)
    .where("id", "<", `${beginning}\u{10ffff}`)
    .orderBy("queued_at", "desc")
    .orderBy("id")
    .limit(100)
    .execute();
}

export interface RunFilter {
  job?: string | undefined;
  status?: RunStatus | undefined;
  /** ISO, UTC: queued then or later. */
  since?: string | undefined;
  /** The last run of the page before: only what comes after it in the list. */
  after?: Pick<RunRow, "queued_at" | "id"> | undefined;
}

/** The newest runs first, steps of jobs left out: they are told with their job's run. */
export async function listRuns(
  state: StateDatabase,
  limit: number,
  { job, status, since, after }: RunFilter = {},
): Promise<RunRow[]> {
  let query = state.selectFrom("runs").selectAll().where("parent_id", "is", null);
  if (job !== undefined) query = query.where("job", "=", job);
  if (status !== undefined) query = query.where("status", "=", status);
  if (since !== undefined) query = query.where("queued_at", ">=", since);
  if (after !== undefined) query = query.where(isAfter(after));
  return query.orderBy("queued_at", "desc").orderBy("id", "desc").limit(limit).execute();
}

function isAfter({ queued_at, id }: Pick<RunRow, "queued_at" | "id">): Expression<SqlBool> {
  return sql<SqlBool>`(queued_at, id) < (${queued_at}, ${id})`;
}

export interface RunParts {
  /** All attempts, in order. */
  steps: StepRow[];
  /** The commands that its steps ran. */
  commands: RunRow[];
  /** Of the run itself, or of those commands. */
  nodes: RunNodeRow[];
}

/** What belongs to a run. */
export async function partsOf(state: StateDatabase, runId: string): Promise<RunParts> {
  const steps = await state
    .selectFrom("run_steps")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("place")
    .orderBy("attempt")
    .execute();
  const commands = await state
    .selectFrom("runs")
    .selectAll()
    .where("parent_id", "=", runId)
    .orderBy("queued_at")
    .orderBy("id")
    .execute();
  const ids = [runId, ...commands.map(({ id }) => id)];
  const nodes = await state
    .selectFrom("run_nodes")
    .selectAll()
    .where("run_id", "in", ids)
    .orderBy("run_id")
    .orderBy("place")
    .execute();
  return { steps, commands, nodes };
}
