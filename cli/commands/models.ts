import { hasFailed } from "../../runner/results.ts";
import type { SelectionOptions } from "../../runner/select.ts";
import { formatModels, summarizeModels } from "../answers.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { modelsStep, planGraph, writeArtifacts } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

export interface ModelsOptions extends SelectionOptions {
  onlySelected?: boolean;
}

/** `run models`: the chosen models as tables and views, in order. */
export async function runModels(
  workspace: Workspace,
  terminal: Terminal,
  options: ModelsOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "model" });
  const { results, added, seeds } = await withWarehouse(workspace, "run models", (engine) =>
    modelsStep(workspace, engine, { ...plan, onlySelected: options.onlySelected ?? false }),
  );
  writeArtifacts(workspace, plan, { which: "run", results: [...seeds, ...results] });
  const summary = summarizeModels(results);
  return {
    exitCode: exitCodeFor([...seeds, ...results], [...seeds, ...results].some(hasFailed)),
    summary,
    text: `${formatModels(results, terminal.colors)}\n\n${summary}`,
    json: {
      models: results.map(modelJson),
      built_first: [...seeds.map(({ node }) => node), ...added].map(({ name }) => name).sort(),
    },
  };
}
