import { snapshotsOf } from "../../runner/nodes.ts";
import { hasFailed } from "../../runner/results.ts";
import type { SelectionOptions } from "../../runner/select.ts";
import { createSessionPool } from "../../runner/session-pool.ts";
import { takeSnapshots } from "../../runner/snapshots.ts";
import { formatModels, summarizeSnapshots } from "../answers.ts";
import { modelJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { planGraph, writeArtifacts } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

/** `run snapshot`: what rows looked like over time. */
export async function runSnapshots(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions,
): Promise<Outcome> {
  const { ctx, target } = workspace;
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "snapshot" });
  const { graph } = plan.scope;
  const snapshots = snapshotsOf(graph).filter(({ id }) => plan.selected.has(id));
  const results = await withWarehouse(workspace, "run snapshot", (engine) =>
    takeSnapshots(ctx, createSessionPool(engine, target.duckdb.threads), { graph, snapshots }),
  );
  writeArtifacts(workspace, plan, { which: "snapshot", results });
  const summary = summarizeSnapshots(results);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: [formatModels(results, terminal.colors), summary].filter(Boolean).join("\n\n"),
    json: { snapshots: results.map(modelJson) },
  };
}
