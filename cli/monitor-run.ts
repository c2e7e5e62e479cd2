import { messageOf } from "../core/errors.ts";
import { loadMonitor } from "../monitor/settings.ts";
import { watchRun } from "../monitor/watch.ts";
import type { StateDatabase } from "../state/database.ts";
import { keepMetrics } from "../state/metrics.ts";
import type { CommandStatus } from "../state/runs.ts";
import { type EndedRun, metricsOf } from "./run-metrics.ts";
import { nodesOf } from "./run-nodes.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Keeps what a command has measured, and opens and closes incidents. Messages go to the outbox: `run up` or `run alerts
 * send` sends them. Nothing that fails here changes what the command answers.
 */
export async function monitorRun(
  { ctx, folders, project, runLog }: Workspace,
  state: StateDatabase,
  run: Pick<EndedRun, "command" | "outcome" | "error" | "usage"> & { status: CommandStatus; summary: string },
): Promise<void> {
  const at = ctx.clock.now();
  const isSuccess = run.status === "success";
  const points = metricsOf({
    ...run,
    isSuccess,
    seconds: (at.getTime() - ctx.startedAt.getTime()) / 1000,
    warned: runLog.warned,
  });
  try {
    await keepMetrics(state, { runId: ctx.invocationId, at, points });
    // Whoever interrupts a command knows it.
    if (run.status === "interrupted" || !WATCHED.includes(run.command)) return;
    const settings = loadMonitor(ctx.projectDir);
    const watched = { ctx, state, settings, project: project.name, target: folders.target };
    const nodes = run.outcome === undefined ? [] : nodesOf(run.outcome);
    await watchRun(watched, {
      command: run.command,
      isSuccess,
      summary: run.summary,
      nodes,
      id: ctx.invocationId,
      measuredAt: at,
    });
  } catch (error) {
    ctx.log.warn("monitor_failed", `the run is not watched: ${messageOf(error)}`);
  }
}

/** Commands that load, build or check. */
const WATCHED = [
  ...["ingest", "models", "seed", "snapshot", "test", "build", "pipeline", "publish", "freshness", "retry"],
  ...["demo", "reco train", "reco infer", "reco drift", "reco live", "reco retrain"],
];
