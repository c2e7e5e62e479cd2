import { hasFailed } from "../../runner/build/results.ts";
import { formatModels, summarizeModels } from "../answers.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { builtFirst } from "../graph-answer.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome, unfinishedOf } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import type { RunOptions } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run models`: the chosen models as tables and views, in order. */
export async function runModels(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "model" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { plan, which: "run" });
  const outcome = await runPlan(workspace, plan, { command: "run models", which: "run" });
  const { results, models } = outcome;
  const summary = summarizeModels(models);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: `${formatModels(models, terminal.colors)}\n\n${summary}`,
    json: { models: models.map(modelJson), built_first: builtFirst(outcome) },
    unfinished: unfinishedOf(results),
  };
}
