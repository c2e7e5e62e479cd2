import { hasFailed } from "../../runner/build/results.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { builtFirst, formatGraph, graphJson, summarizeGraph } from "../graph-answer.ts";
import { exitCodeFor, failuresOf, type Outcome, unfinishedOf } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import type { RunOptions } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run build`: seeds, snapshots, models and their tests in order; a test that fails stops what comes after it. */
export async function runBuild(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), options);
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { plan, which: "build" });
  const outcome = await runPlan(workspace, plan, { command: "run build", which: "build" });
  const { results } = outcome;
  const summary = summarizeGraph(outcome);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: formatGraph(outcome, terminal.colors),
    json: { ...graphJson(outcome), built_first: builtFirst(outcome) },
    failures: failuresOf(results),
    quality: outcome.quality,
    unfinished: unfinishedOf(results),
  };
}
