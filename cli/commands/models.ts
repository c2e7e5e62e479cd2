import { hasFailed } from "../../runner/build/results.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { formatModels, summarizeModels } from "../answers.ts";
import { type DryRunOptions, dryRunOutcome } from "../dry-run.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import {
  type BatchOptions,
  eventTimeRange,
  modelsStep,
  planGraph,
  withRunHooks,
  writeArtifacts,
} from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

export interface ModelsOptions extends SelectionOptions, BatchOptions, DryRunOptions {
  onlySelected?: boolean;
  fullRefresh?: boolean;
}

/** `run models`: the chosen models as tables and views, in order. */
export async function runModels(
  workspace: Workspace,
  terminal: Terminal,
  options: ModelsOptions,
): Promise<Outcome> {
  const eventTime = eventTimeRange(options);
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "model" });
  const { onlySelected = false, fullRefresh: isFullRefresh = false } = options;
  if (options.dryRun) {
    const request = { ...plan, kinds: ["model"] as const, onlySelected, isFullRefresh, eventTime };
    return dryRunOutcome(workspace, terminal, request);
  }
  const { results, added, seeds } = await withWarehouse(workspace, "run models", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: plan.hooks,
      work: async () => {
        const built = await modelsStep(workspace, engine, {
          ...plan,
          onlySelected,
          isFullRefresh,
          eventTime,
        });
        writeArtifacts(workspace, plan, { which: "run", results: [...built.seeds, ...built.results] });
        return built;
      },
    }),
  );
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
