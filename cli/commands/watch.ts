import { hasFailed } from "../../runner/build/results.ts";
import { formatModels, formatTests, summarizeModels, summarizeSeeds, summarizeTests } from "../answers.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { modelJson, testJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { planGraph, withRunHooks } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";
import { buildAndTest, type PipelineOptions } from "./pipeline.ts";

/** What `run watch` does after a save: seeds, models and tests of what changed. */
export async function runWatched(
  workspace: Workspace,
  terminal: Terminal,
  options: PipelineOptions,
): Promise<Outcome> {
  const { storeFailures = false, fullRefresh: isFullRefresh = false, dryRun, ...selection } = options;
  const graph = { ...planGraph(workspace, openGraph(workspace), selection), storeFailures };
  if (dryRun)
    return dryRunOutcome(workspace, terminal, { ...graph, kinds: ["seed", "model", "test"], isFullRefresh });
  const { seeds, models, tests } = await withWarehouse(workspace, "run watch", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: graph.hooks,
      work: () => buildAndTest(workspace, engine, { graph, isFullRefresh }),
    }),
  );
  const results = [...seeds, ...models.results, ...tests];
  const parts = [
    ...(seeds.length > 0 ? [summarizeSeeds(seeds)] : []),
    summarizeModels(models.results),
    summarizeTests(tests),
  ];
  const { colors } = terminal;
  const tables = [
    formatModels(seeds, colors),
    formatModels(models.results, colors),
    formatTests(tests, colors),
  ];
  const summary = parts.join("; ");
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: [...tables, summary].filter(Boolean).join("\n\n"),
    json: {
      seeds: seeds.map(modelJson),
      models: models.results.map(modelJson),
      tests: tests.map(testJson),
    },
  };
}
