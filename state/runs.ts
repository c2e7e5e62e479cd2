import type { Context } from "../core/context.ts";
import type { RunRow, StateDatabase } from "./database.ts";

export type RunStatus = "success" | "failed" | "interrupted";

/** Writes that a command began. It reads `running` until `endRun`, or until somebody finds its process gone. */
export async function startRun(
  ctx: Context,
  state: StateDatabase,
  run: { command: string; invocation: string },
): Promise<void> {
  await state
    .insertInto("runs")
    .values({
      id: ctx.invocationId,
      command: run.command,
      invocation: ctx.secrets.mask(run.invocation),
      pid: process.pid,
      status: "running",
      started_at: ctx.startedAt.toISOString(),
      ended_at: null,
      exit_code: null,
      summary: null,
    })
    .execute();
}

export async function endRun(
  ctx: Context,
  state: StateDatabase,
  end: { status: RunStatus; exitCode: number; summary: string },
): Promise<void> {
  await state
    .updateTable("runs")
    .set({
      status: end.status,
      exit_code: end.exitCode,
      summary: ctx.secrets.mask(end.summary),
      ended_at: ctx.clock.now().toISOString(),
    })
    .where("id", "=", ctx.invocationId)
    .execute();
}

/** Marks runs as crashed whose process is gone without having written its end. */
export async function closeCrashedRuns(state: StateDatabase): Promise<void> {
  const open = await state.selectFrom("runs").select(["id", "pid"]).where("status", "=", "running").execute();
  const dead = open.filter((run) => !isAlive(run.pid)).map((run) => run.id);
  if (dead.length === 0) return;
  await state.updateTable("runs").set({ status: "crashed" }).where("id", "in", dead).execute();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, but somebody else's
  }
}

/** The runs whose id begins so, the newest first. */
export async function findRuns(state: StateDatabase, beginning: string): Promise<RunRow[]> {
  const runs = await state
    .selectFrom("runs")
    .selectAll()
    .orderBy("started_at", "desc")
    .orderBy("id")
    .execute();
  return runs.filter(({ id }) => id.startsWith(beginning));
}

/** The newest runs first. */
export async function listRuns(state: StateDatabase, limit: number): Promise<RunRow[]> {
  return state
    .selectFrom("runs")
    .selectAll()
    .orderBy("started_at", "desc")
    .orderBy("id")
    .limit(limit)
    .execute();
}
