import { hasFailed } from "../../runner/build/results.ts";
import { formatModels, summarizeSeeds } from "../answers.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome, unfinishedOf } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import type { RunOptions } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run seed`: the CSV files of the project as tables. */
export async function runSeed(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "seed" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { plan, which: "seed" });
  const { seeds } = await runPlan(workspace, plan, { command: "run seed", which: "seed" });
  const summary = summarizeSeeds(seeds);
  return {
    exitCode: exitCodeFor(seeds, seeds.some(hasFailed)),
    summary,
    text: [formatModels(seeds, terminal.colors), summary].filter(Boolean).join("\n\n"),
    json: { seeds: seeds.map(modelJson) },
    unfinished: unfinishedOf(seeds),
  };
}
