import { hasFailed } from "../../runner/build/results.ts";
import { formatModels, summarizeSnapshots } from "../answers.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome, unfinishedOf } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import type { RunOptions } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run snapshot`: what rows looked like over time. */
export async function runSnapshots(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "snapshot" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { plan, which: "snapshot" });
  const { snapshots } = await runPlan(workspace, plan, { command: "run snapshot", which: "snapshot" });
  const summary = summarizeSnapshots(snapshots);
  return {
    exitCode: exitCodeFor(snapshots, snapshots.some(hasFailed)),
    summary,
    text: [formatModels(snapshots, terminal.colors), summary].filter(Boolean).join("\n\n"),
    json: { snapshots: snapshots.map(modelJson) },
    unfinished: unfinishedOf(snapshots),
  };
}
