import type { Context } from "../../core/context.ts";
import { describeError } from "../../core/errors.ts";
import { type Engine, relationKey } from "../../engines/engine.ts";
import type { EventTimeRange } from "../build/materializations/batch-windows.ts";
import { windowsOf } from "../build/materializations/microbatch.ts";
import { nodesToRun } from "../build/parents.ts";
import { isModelResult, isTestResult, type RelationResult } from "../build/results.ts";
import type { Reuse } from "../build/reuse/reuse.ts";
import { type NodesWork, runNodes } from "../build/run-nodes.ts";
import { createSessionPool, type SessionPool, withSession } from "../build/session-pool.ts";
import { firstMissing, missingNodes } from "../data-tests/data-tests.ts";
import { bindTest } from "../data-tests/measure.ts";
import type { CompiledNode } from "../graph/compile.ts";
import { withoutRows } from "../graph/empty.ts";
import { readsOf } from "../graph/ephemeral.ts";
import {
  isMicrobatch,
  modelsOf,
  type Node,
  snapshotsOf,
  type TestNode,
  unitTestsOf,
} from "../graph/nodes.ts";
import { boundOnly } from "./binding.ts";
import { isAddedTo, modelAction, type PlannedNode, Present } from "./plan.ts";

export interface DryRunWork
  extends Pick<NodesWork, "graph" | "compiled" | "snapshotSources" | "batches" | "isFullRefresh"> {
  selected: ReadonlySet<string>;
  /** What the command runs of the selection. */
  kinds: readonly Node["kind"][];
  onlySelected?: boolean;
  eventTime?: EventTimeRange | undefined;
  /** Tells what the run would leave as it is in the warehouse. */
  reuse?: Reuse | undefined;
}

interface DryRun extends DryRunWork {
  pool: SessionPool;
  present: Present;
  added: ReadonlySet<string>;
  /** The queries that are bound, of models. */
  bound: ReadonlyMap<string, CompiledNode>;
}

/**
 * Binds what a command would run, in its order, in `engine`: a copy of the warehouse without rows, which is
 * changed as the run would change the warehouse. No hook and no unit test is run.
 */
export async function dryRun(
  ctx: Context,
  { engine, threads }: { engine: Engine; threads: number },
  work: DryRunWork,
): Promise<PlannedNode[]> {
  const { graph, selected, kinds, onlySelected = false } = work;
  const { nodes, added } = await nodesToRun(engine, graph, { selected, kinds, onlySelected });
  const relations = nodes.filter((node) => node.kind !== "test");
  const run: DryRun = {
    ...work,
    pool: createSessionPool(engine, threads),
    present: await Present.read(engine, relations),
    added: new Set(added.map(({ id }) => id)),
    bound: boundModels(work),
  };
  const now = ctx.startedAt;
  const results = await runNodes(ctx, run.pool, {
    graph,
    nodes: relations,
    compiled: run.bound,
    snapshotSources: emptySources(engine, work),
    isFullRefresh: work.isFullRefresh ?? false,
    // One batch binds what each of them would.
    eventTime: { start: new Date(now.getTime() - 1), end: now },
  });
  const built = results.filter((result) => !isTestResult(result)) as RelationResult[]; // no test was among them
  return [
    ...plannedUnitTests(work),
    ...(await plannedRelations(ctx, run, built)),
    ...(await plannedTests(ctx, run, {
      tests: nodes.filter((node) => node.kind === "test"),
      broken: brokenBy(built),
    })),
  ];
}

function boundModels({ graph, compiled }: DryRunWork): Map<string, CompiledNode> {
  return new Map(
    modelsOf(graph).flatMap(({ id }) => {
      const node = compiled.get(id);
      return node === undefined ? [] : [[id, boundOnly(node)] as const];
    }),
  );
}

/** What snapshots are taken of, without rows. */
function emptySources(
  engine: Engine,
  { graph, snapshotSources }: Pick<DryRunWork, "graph" | "snapshotSources">,
): Map<string, string> {
  return new Map(
    snapshotsOf(graph).flatMap(({ id, dependsOn: [sourceId = ""] }) => {
      const source = graph.nodes.get(sourceId);
      if (source === undefined || !("relation" in source)) return [];
      return [[id, withoutRows(snapshotSources?.get(id) ?? engine.nameOf(source.relation))] as const];
    }),
  );
}

/** Names of what does not bind, by the ids of it and of what reads it. */
function brokenBy(results: readonly RelationResult[]): Map<string, string> {
  const open = results.filter(({ status }) => status !== "success");
  return new Map(open.map(({ node, reason }) => [node.id, reason?.replace(/ failed$/, "") ?? node.name]));
}

const UNKNOWN = { isAdded: false, present: null, columns: null, rows: null, batches: null, why: null };

function plannedUnitTests({ graph, kinds, selected }: DryRunWork): PlannedNode[] {
  if (!kinds.includes("unit_test")) return [];
  return unitTestsOf(graph)
    .filter(({ id }) => selected.has(id))
    .map((node) => ({ ...UNKNOWN, node, action: "test", error: null, reason: null }));
}

/** What the results in the copy say of the warehouse. */
async function plannedRelations(
  ctx: Context,
  run: DryRun,
  results: readonly RelationResult[],
): Promise<PlannedNode[]> {
  const nodes = results.map(({ node }) => node);
  const differences = await withSession(run.pool, (session) => run.present.differences(session, nodes));
  return results.map((result) => {
    const { node, status, rows, error, reason } = result;
    const isBound = status === "success";
    const decision = isBound ? run.reuse?.decide(node) : undefined;
    const isReused = decision?.isReused === true;
    if (decision?.isReused === false) run.reuse?.made(result);
    return {
      node,
      action: isReused ? "reuse" : isBound ? actionOf(run, result) : null,
      isAdded: run.added.has(node.id),
      present: run.present.kindOf(node),
      columns: isBound ? (differences.get(node.id) ?? null) : null,
      rows: node.kind === "seed" && !isReused ? rows : null,
      batches: isBound && !isReused ? batchesOf(ctx, run, result) : null,
      error,
      reason,
      why: decision?.isReused === false ? decision.why : null,
    };
  });
}

function actionOf(run: DryRun, result: RelationResult): PlannedNode["action"] {
  const { node } = result;
  const present = run.present.kindOf(node);
  if (node.kind === "seed") return present === null ? "create" : "replace";
  if (node.kind === "snapshot") return present === null ? "create" : "add versions";
  const { isFullRefresh = false } = run;
  const ran = isModelResult(result) ? result.ran : undefined;
  const isNewTable = !isMicrobatch(node) && ran !== run.bound.get(node.id)?.incremental;
  const isIncremental = isAddedTo(node, { present, isFullRefresh }) && !isNewTable;
  return modelAction(node, { present, isFullRefresh, isIncremental });
}

function batchesOf(ctx: Context, run: DryRun, { node }: RelationResult): number | null {
  if (node.kind !== "model" || !isMicrobatch(node)) return null;
  const { eventTime, batches, isFullRefresh = false } = run;
  const isIncremental = isAddedTo(node, { present: run.present.kindOf(node), isFullRefresh });
  return windowsOf(ctx, { node, eventTime, batches: batches?.get(node.id) }, isIncremental).length;
}

async function plannedTests(
  ctx: Context,
  run: DryRun,
  { tests, broken }: { tests: readonly TestNode[]; broken: ReadonlyMap<string, string> },
): Promise<PlannedNode[]> {
  const existing = await run.pool.engine.relations();
  const missing = missingNodes(ctx, {
    graph: run.graph,
    tests,
    hasRelation: ({ id, relation }) => broken.has(id) || existing.has(relationKey(relation)),
  });
  const planned: PlannedNode[] = [];
  for (const node of tests) {
    const reads = readsOf(run.graph, node);
    const culprit = reads.map((id) => broken.get(id)).find((name) => name !== undefined);
    const reason = culprit === undefined ? null : `${culprit} failed`;
    const error = reason === null ? (firstMissing(reads, missing) ?? (await bind(ctx, run, node))) : null;
    const action = reason === null && error === null ? testAction(run, node) : null;
    planned.push({ ...UNKNOWN, node, action, error, reason });
  }
  return planned;
}

function testAction({ reuse }: DryRun, node: TestNode): PlannedNode["action"] {
  return reuse?.decideTest(node).isReused === true ? "reuse" : "test";
}

async function bind(ctx: Context, run: DryRun, node: TestNode): Promise<PlannedNode["error"]> {
  const compiled = run.compiled.get(node.id);
  if (compiled === undefined) throw new Error(`${node.id} was not compiled`);
  const error = await withSession(run.pool, (session) => bindTest(session, { node, compiled }));
  if (error !== null) ctx.log.error("test_errored", describeError(error), { test: node.name });
  return error;
}
