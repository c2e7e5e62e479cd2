import { hasFailed } from "../../runner/build/results.ts";
import { createSessionPool } from "../../runner/build/session-pool.ts";
import { snapshotSources, takeSnapshots } from "../../runner/build/snapshots.ts";
import { snapshotsOf } from "../../runner/graph/nodes.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { formatModels, summarizeSnapshots } from "../answers.ts";
import { type DryRunOptions, dryRunOutcome } from "../dry-run.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { planGraph, withRunHooks, writeArtifacts } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

/** `run snapshot`: what rows looked like over time. */
export async function runSnapshots(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions & DryRunOptions,
): Promise<Outcome> {
  const { ctx, target } = workspace;
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "snapshot" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { ...plan, kinds: ["snapshot"] });
  const { scope, selected } = plan;
  const snapshots = snapshotsOf(scope.graph).filter(({ id }) => selected.has(id));
  const { empty: isEmpty = false } = workspace.options;
  const work = { graph: scope.graph, snapshots, sources: snapshotSources(ctx, scope, snapshots), isEmpty };
  const results = await withWarehouse(workspace, "run snapshot", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: plan.hooks,
      work: async () => {
        const taken = await takeSnapshots(ctx, createSessionPool(engine, target.duckdb.threads), work);
        writeArtifacts(workspace, plan, { which: "snapshot", results: taken });
        return taken;
      },
    }),
  );
  const summary = summarizeSnapshots(results);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: [formatModels(results, terminal.colors), summary].filter(Boolean).join("\n\n"),
    json: { snapshots: results.map(modelJson) },
  };
}
