import { openDuckdb } from "../engines/duckdb.ts";
import { runHooks } from "../runner/build/hooks.ts";
import { nodesToRun } from "../runner/build/parents.ts";
import { isTestResult, type UnitTestResult } from "../runner/build/results.ts";
import { runNodes } from "../runner/build/run-nodes.ts";
import { createSessionPool, withSession } from "../runner/build/session-pool.ts";
import {
  modelsOf,
  type ReferableNode,
  seedsOf,
  snapshotsOf,
  testsOf,
  unitTestsOf,
} from "../runner/graph/nodes.ts";
import { measureQuality } from "../runner/quality/quality.ts";
import { runUnitTests } from "../runner/unit-tests/unit-tests.ts";
import { noteForeign } from "../state/builds.ts";
import { writeArtifacts } from "./artifacts-step.ts";
import { checkAsOf } from "./as-of.ts";
import { noteRelations } from "./lineage-notes.ts";
import { type GraphOutcome, graphOutcome } from "./outcomes.ts";
import { type GraphPlan, KINDS, type RunScope, type Which } from "./plan.ts";
import { createRecoSource } from "./reco-source.ts";
import { reuseOf } from "./reuse-plan.ts";
import { type OpenWarehouse, ownFiles, withWarehouse } from "./warehouse.ts";
import type { Workspace } from "./workspace.ts";

/** Runs `work` between the on-run-start and the on-run-end statements, which find the schemas of what is selected. Throws HOOK_SQL. */
export async function withRunHooks<T>(
  { ctx }: Workspace,
  { engine, book }: OpenWarehouse,
  around: { plan: GraphPlan; work: () => Promise<T> },
): Promise<T> {
  const { start, end } = around.plan.hooks;
  if (start.length + end.length === 0) return around.work();
  await engine.createSchemas(schemasOf(around.plan));
  const session = await engine.openSession();
  noteForeign(book);
  try {
    await runHooks(ctx, session, { hooks: start, owner: "on-run-start" });
    const result = await around.work();
    noteForeign(book);
    if (!ctx.signal.aborted) await runHooks(ctx, session, { hooks: end, owner: "on-run-end" });
    return result;
  } finally {
    session.close();
  }
}

function schemasOf({ scope: { graph }, selected }: GraphPlan): Set<string> {
  const made = [...seedsOf(graph), ...snapshotsOf(graph), ...modelsOf(graph)];
  return new Set(made.filter(({ id }) => selected.has(id)).map(({ relation }) => relation.schema));
}

/** Runs what the plan chose of these kinds, unit tests first, and the parents of models that were never made. */
export async function nodesStep(
  workspace: Workspace,
  { engine, book }: OpenWarehouse,
  { plan, which, kinds = KINDS[which] }: RunScope & { plan: GraphPlan },
): Promise<GraphOutcome> {
  const { ctx, target } = workspace;
  const { options, compiled, snapshotSources, eventTime, batches } = plan;
  const { graph } = plan.scope;
  await createRecoSource(engine, graph);
  const { nodes, added } = await nodesToRun(engine, graph, {
    selected: plan.selected,
    kinds,
    onlySelected: keepsToSelected(plan, which),
  });
  tellAdded(workspace, added);
  const unitTests = kinds.includes("unit_test") ? await unitTestsStep(workspace, plan) : [];
  const pool = createSessionPool(engine, target.duckdb.threads);
  const results = await runNodes(ctx, pool, {
    graph,
    nodes,
    unitTests,
    compiled,
    snapshotSources,
    isFullRefresh: options.fullRefresh ?? false,
    eventTime,
    ...(batches === undefined ? {} : { batches }),
    storeFailures: options.storeFailures ?? false,
    failFast: options.failFast ?? false,
    reuse: which === "test" ? undefined : await reuseOf(workspace, { engine, book }, { plan, nodes }),
    warnError: workspace.warnings.isError("test_warned"),
    ...(options.empty ? { empty: emptyNodes(nodes, added) } : {}),
  });
  if (results.some((result) => isTestResult(result) && result.isStored)) noteForeign(book);
  const quality = ctx.signal.aborted
    ? []
    : await withSession(pool, (session) => measureQuality(ctx, session, { dialect: engine, graph, results }));
  await noteRelations(ctx, workspace.lineage, engine);
  return graphOutcome([...unitTests, ...results], added, quality);
}

/** Whether parents that were never made are left out. */
export function keepsToSelected({ options }: GraphPlan, which: Which): boolean {
  return options.onlySelected === true || which === "snapshot";
}

/** Seeds that models miss are loaded whole: nobody would load them later. */
function emptyNodes(nodes: readonly { id: string }[], added: readonly ReferableNode[]): Set<string> {
  const whole = new Set(added.filter(({ kind }) => kind === "seed").map(({ id }) => id));
  return new Set(nodes.map(({ id }) => id).filter((id) => !whole.has(id)));
}

const ADDED = {
  seed: { event: "seeds_added", doing: "loading", never: "loaded" },
  snapshot: { event: "snapshots_added", doing: "taking", never: "taken" },
  model: { event: "parents_added", doing: "building", never: "built" },
} as const;

function tellAdded({ ctx, target }: Workspace, added: readonly ReferableNode[]): void {
  for (const kind of ["seed", "snapshot", "model"] as const) {
    const names = added.filter((node) => node.kind === kind).map(({ name }) => name);
    if (names.length === 0) continue;
    const { event, doing, never } = ADDED[kind];
    names.sort();
    ctx.log.info(event, `${doing} ${names.join(", ")} first: never ${never} in target ${target.name}`, {
      names,
    });
  }
}

/** Unit tests alone leave the warehouse as it is, even when there is none. */
function isUnitTestsAlone({ scope: { graph }, selected }: GraphPlan, { which }: RunScope): boolean {
  const isSelected = ({ id }: { id: string }) => selected.has(id);
  return which === "test" && unitTestsOf(graph).some(isSelected) && !testsOf(graph).some(isSelected);
}

/** Holds the warehouse, runs the plan between the statements around a run, and writes the artifacts. */
export async function runPlan(
  workspace: Workspace,
  plan: GraphPlan,
  { command, ...run }: RunScope & { command: string },
): Promise<GraphOutcome> {
  workspace.warnings.throwIfAny();
  if (isUnitTestsAlone(plan, run)) {
    const outcome = graphOutcome(await unitTestsStep(workspace, plan));
    writeArtifacts(workspace, plan, { which: run.which, results: outcome.results });
    return outcome;
  }
  return withWarehouse(workspace, command, (engine, book) => {
    const open = { engine, book };
    return withRunHooks(workspace, open, {
      plan,
      work: async () => {
        if (plan.scope.asOf !== undefined) await checkAsOf(workspace.ctx, engine, plan.scope.asOf);
        const outcome = await nodesStep(workspace, open, { plan, ...run });
        writeArtifacts(workspace, plan, { which: run.which, results: outcome.results });
        return outcome;
      },
    });
  });
}

/** The unit tests of the selection. The warehouse is neither opened nor locked: they have a database in memory. */
export async function unitTestsStep(
  workspace: Workspace,
  { scope, selected, options }: GraphPlan,
): Promise<UnitTestResult[]> {
  const { ctx, target } = workspace;
  const tests = unitTestsOf(scope.graph).filter(({ id }) => selected.has(id));
  if (tests.length === 0) return [];
  const { settings } = target.duckdb;
  // Parallel work on a few rows costs more than it gains.
  const memory = { ...target.duckdb, path: ":memory:", settings: { ...settings, threads: "1" } };
  const engine = await openDuckdb(ctx, { ...memory, attach: [] }, ownFiles(workspace));
  try {
    const { failFast = false } = options;
    // Their rows are given: `--empty` is not for them.
    return await runUnitTests(ctx, engine, { scope: { ...scope, isEmpty: false }, tests, failFast });
  } finally {
    engine.close();
  }
}
