import { faultPoint } from "#faults";
import { writeManifest } from "../artifacts/manifest.ts";
import { writeRunResults } from "../artifacts/run-results.ts";
import type { NodeResult } from "../runner/build/results.ts";
import { type CompiledNode, writeCompiled } from "../runner/graph/compile.ts";
import { modelsOf, testsOf } from "../runner/graph/nodes.ts";
import { selectorEntries } from "../runner/select/selectors-file.ts";
import { type ManifestOptions, manifestContent } from "../runner/to-artifacts/manifest.ts";
import { runResultEntries } from "../runner/to-artifacts/results.ts";
import type { GraphPlan, Which } from "./plan.ts";
import { recordedArgs } from "./run-options.ts";
import type { Workspace } from "./workspace.ts";

/** What a manifest holds beside the graph. */
export function manifestOptions({ ctx }: Workspace): ManifestOptions {
  return { readAt: ctx.startedAt, selectors: selectorEntries(ctx) };
}

/** Writes the SQL of what is selected into target/compiled/, and manifest.json. */
export function writeCompilation(
  workspace: Workspace,
  { scope, selected, compiled }: GraphPlan,
): Map<string, CompiledNode> {
  const { ctx, folders, project } = workspace;
  const sql = new Map([...compiled].filter(([id]) => selected.has(id)));
  const nodes = [...modelsOf(scope.graph), ...testsOf(scope.graph)].filter(({ id }) => sql.has(id));
  writeCompiled(folders.target, project, { nodes, sql });
  writeManifest(ctx, folders.target, manifestContent(scope, sql, manifestOptions(workspace)));
  return sql;
}

/** Writes target/: compiled SQL, manifest.json and run_results.json of this command. */
export function writeArtifacts(
  workspace: Workspace,
  plan: GraphPlan,
  run: { which: Which; results: readonly NodeResult[]; args?: Record<string, unknown> },
): void {
  const { ctx, folders, project } = workspace;
  void faultPoint("artifacts.write");
  const nodes = run.results.flatMap(({ node }) =>
    node.kind === "model" || node.kind === "test" ? [node] : [],
  );
  const compiled = new Map(
    run.results.flatMap((result) => {
      const node = ("ran" in result ? result.ran : undefined) ?? plan.compiled.get(result.node.id);
      return node === undefined ? [] : [[result.node.id, node] as const];
    }),
  );
  writeCompiled(folders.target, project, { nodes, sql: compiled });
  writeManifest(ctx, folders.target, manifestContent(plan.scope, compiled, manifestOptions(workspace)));
  writeRunResults(ctx, folders.target, {
    results: runResultEntries(plan.scope, run.results, compiled),
    elapsedSeconds: (ctx.clock.now().getTime() - ctx.startedAt.getTime()) / 1000,
    args: { which: run.which, ...recordedArgs(workspace, plan.options), ...run.args },
  });
}
