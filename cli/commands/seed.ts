import { hasFailed } from "../../runner/build/results.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { formatModels, summarizeSeeds } from "../answers.ts";
import { type DryRunOptions, dryRunOutcome } from "../dry-run.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { chosenSeeds, planGraph, seedsStep, withRunHooks, writeArtifacts } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

/** `run seed`: the CSV files of the project as tables. */
export async function runSeed(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions & DryRunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "seed" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { ...plan, kinds: ["seed"] });
  const results = await withWarehouse(workspace, "run seed", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: plan.hooks,
      work: async () => {
        const loaded = await seedsStep(workspace, engine, chosenSeeds(plan), workspace.options);
        writeArtifacts(workspace, plan, { which: "seed", results: loaded });
        return loaded;
      },
    }),
  );
  const summary = summarizeSeeds(results);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: [formatModels(results, terminal.colors), summary].filter(Boolean).join("\n\n"),
    json: { seeds: results.map(modelJson) },
  };
}
