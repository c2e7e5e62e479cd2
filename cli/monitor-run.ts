import { messageOf } from "../core/errors.ts";
import type { StateDatabase } from "../state/database.ts";
import { keepMetrics } from "../state/metrics.ts";
import type { CommandStatus } from "../state/runs.ts";
import { type EndedRun, metricsOf } from "./run-metrics.ts";
import type { Workspace } from "./workspace.ts";

/** Keeps what a command has measured. Nothing that fails here changes what the command answers. */
export async function monitorRun(
  { ctx, runLog }: Workspace,
  state: StateDatabase,
  run: Pick<EndedRun, "command" | "outcome" | "error" | "usage"> & { status: CommandStatus },
): Promise<void> {
  const at = ctx.clock.now();
  const points = metricsOf({
    ...run,
    isSuccess: run.status === "success",
    seconds: (at.getTime() - ctx.startedAt.getTime()) / 1000,
    warned: runLog.warned,
  });
  try {
    await keepMetrics(state, { runId: ctx.invocationId, at, points });
  } catch (error) {
    ctx.log.warn("monitor_failed", `what was measured could not be kept: ${messageOf(error)}`);
  }
}
