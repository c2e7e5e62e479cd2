import type { Context } from "../../core/context.ts";
import type { ProjectError } from "../../core/errors.ts";
import { relationKey, type Session } from "../../engines/engine.ts";
import { batchesOf, missingNodes, runTestGroup, type TestOptions } from "../data-tests/data-tests.ts";
import { storageOf } from "../data-tests/failure-tables.ts";
import type { CompiledNode } from "../graph/compile.ts";
import type { Graph, ReferableNode, TestNode } from "../graph/nodes.ts";
import { runInOrder } from "./execute.ts";
import type { BatchWindow, EventTimeRange } from "./materializations/batch-windows.ts";
import { buildModel } from "./models.ts";
import { INTERRUPTED, reusedResult, reusedTest, skippedResult } from "./outcome.ts";
import { reportResult, stoppedBy } from "./report.ts";
import {
  hasFailed,
  type RelationResult,
  type RunnableNode,
  type RunnableResult,
  type TestResult,
  type UnitTestResult,
} from "./results.ts";
import type { Reuse } from "./reuse/reuse.ts";
import { loadSeed } from "./seeds.ts";
import { type SessionPool, withSession } from "./session-pool.ts";
import { takeSnapshot } from "./snapshots.ts";
import { type WorkItem, workItems } from "./work-items.ts";

export interface NodesWork extends TestOptions {
  graph: Graph;
  nodes: readonly RunnableNode[];
  /** What became of the unit tests: a node of which one did not pass is not made. */
  unitTests?: readonly UnitTestResult[];
  /** Models and tests, by id. */
  compiled: ReadonlyMap<string, CompiledNode>;
  /** SQL for what snapshots are taken of, where that is no relation; by the snapshots' ids. */
  snapshotSources?: ReadonlyMap<string, string>;
  /** Incremental tables are built from nothing. */
  isFullRefresh?: boolean;
  /** The batches of microbatch models, when not those that are due. */
  eventTime?: EventTimeRange | undefined;
  /** The batches of single microbatch models, by id. */
  batches?: ReadonlyMap<string, readonly BatchWindow[]>;
  /** What is as it would be made anew is left as it is. */
  reuse?: Reuse | undefined;
  /** Ids of the seeds and snapshots that get columns and no rows. */
  empty?: ReadonlySet<string>;
}

/**
 * Runs seeds, snapshots, models and tests in order, at most `pool.size` at once. A node that fails, a test of
 * severity error that fails and a test that cannot be run skip what comes after them, and nothing else.
 */
export async function runNodes(ctx: Context, pool: SessionPool, work: NodesWork): Promise<RunnableResult[]> {
  const place = await preparePlace(ctx, pool, work);
  const { graph, compiled, storeFailures = false } = work;
  const proofs = { graph, compiled, storeFailures, rowEstimates: place.rowEstimates };
  const items = workItems(graph, work.nodes, {
    threads: pool.size,
    batchesOf: (tests) => batchesOf(proofs, tests),
  });
  const results = new Map<string, RunnableResult>();
  /** Names of what failed first, by the ids of the items that did not succeed because of it. */
  const broken = new Map<string, string>();
  const failedUnits = (work.unitTests ?? []).filter(hasFailed);
  const refused = new Map(failedUnits.map(({ node }) => [node.subject, node.name]));
  let stop = work.failFast && failedUnits[0] ? stoppedBy(failedUnits[0].node.name) : undefined;
  const whyStop = () => (ctx.signal.aborted ? INTERRUPTED : stop);
  const settle = (result: RunnableResult) => {
    results.set(result.node.id, result);
    if ("rows" in result && result.rows !== null)
      place.rowEstimates.set(relationKey(result.node.relation), result.rows);
    if (work.failFast && hasFailed(result) && result.status !== "skipped")
      stop ??= stoppedBy(result.node.name);
    reportResult(ctx, result);
  };
  await runInOrder([...items.keys()], {
    dependencies: (id) => itemOf(items, id).after,
    limit: pool.size,
    work: async (id) => {
      const item = itemOf(items, id);
      const culprit = refused.get(id) ?? firstBroken(item, broken);
      const whyNot = whyStop() ?? (culprit === undefined ? undefined : `${culprit} failed`);
      if (whyNot !== undefined) for (const node of item.nodes) settle(skippedResult(ctx, node, whyNot));
      else {
        await withSession(pool, (session, thread) =>
          runItem(ctx, { pool, session, thread, place, whyStop, settle }, { item, work }),
        );
      }
      const failed = item.nodes.find((node) => isBroken(results.get(node.id)));
      if (failed !== undefined) broken.set(id, culprit ?? failed.name);
    },
  });
  return work.nodes.flatMap((node) => results.get(node.id) ?? []);
}

function itemOf(items: ReadonlyMap<string, WorkItem>, id: string): WorkItem {
  const item = items.get(id);
  if (item === undefined) throw new Error(`no ${id} in this run`);
  return item;
}

function firstBroken({ after }: WorkItem, broken: ReadonlyMap<string, string>): string | undefined {
  if (broken.size === 0) return undefined;
  for (const id of after) if (broken.has(id)) return broken.get(id);
  return undefined;
}

function isBroken(result: RunnableResult | undefined): boolean {
  return result !== undefined && hasFailed(result);
}

/** What the warehouse has before the run. */
interface Place {
  existing: ReadonlyMap<string, unknown>;
  missing: ReadonlyMap<string, ProjectError>;
  /** About how many rows tables hold, by `relationKey`; of those that the run makes once they are made. */
  rowEstimates: Map<string, number>;
}

/** Creates the schemas that are written to, and looks for what tests need and nobody makes. */
async function preparePlace(ctx: Context, { engine }: SessionPool, work: NodesWork): Promise<Place> {
  const { graph, nodes, storeFailures = false } = work;
  const isWritten = (node: RunnableNode) =>
    node.kind !== "test" || storageOf(node.config, storeFailures) !== null;
  const schemas = new Set(nodes.filter(isWritten).map(({ relation }) => relation.schema));
  if (schemas.size > 0) await engine.createSchemas(schemas);
  if (nodes.every(({ kind }) => kind === "model" || kind === "seed"))
    return { existing: new Map(), missing: new Map(), rowEstimates: new Map() };
  const existing = await engine.relations();
  const made = new Set(nodes.flatMap(({ kind, relation }) => (kind === "test" ? [] : relationKey(relation))));
  const tests = nodes.filter((node) => node.kind === "test");
  const missing = missingNodes(ctx, {
    graph,
    tests,
    hasRelation: ({ relation }) => made.has(relationKey(relation)) || existing.has(relationKey(relation)),
  });
  const rowEstimates = new Map(tests.length > 0 ? await engine.rowEstimates() : []);
  return { existing, missing, rowEstimates };
}

interface Slot {
  pool: SessionPool;
  session: Session;
  thread: number;
  place: Place;
  whyStop: () => string | undefined;
  settle: (result: RunnableResult) => void;
}

async function runItem(
  ctx: Context,
  slot: Slot,
  { item, work }: { item: WorkItem; work: NodesWork },
): Promise<void> {
  const tests: TestNode[] = [];
  for (const node of item.nodes) {
    if (node.kind !== "test") slot.settle(await runRelation(ctx, slot, { node, work }));
    else if (!isTestReused(ctx, slot, { node, reuse: work.reuse })) tests.push(node);
  }
  if (tests.length === 0) return;
  const { pool, session, thread, place, whyStop, settle } = slot;
  const { missing, rowEstimates } = place;
  const { graph, compiled, storeFailures = false, warnError = false } = work;
  const scope = { graph, compiled, storeFailures, warnError, rowEstimates };
  const onResult = (result: TestResult) => {
    work.reuse?.tested(result);
    settle(result);
  };
  const group = { ...scope, tests, engine: pool.engine, missing, whyStop, onResult };
  await runTestGroup(ctx, { session, thread }, group);
}

function isTestReused(
  ctx: Context,
  { settle }: Slot,
  { node, reuse }: { node: TestNode; reuse: Reuse | undefined },
): boolean {
  if (reuse === undefined) return false;
  const decision = reuse.decideTest(node);
  if (decision.isReused) settle(reusedTest(ctx, node, decision.failures));
  return decision.isReused;
}

/** Makes one relation, unless it is what it would be: the moment before which all that it reads is done. */
async function runRelation(
  ctx: Context,
  slot: Slot,
  { node, work }: { node: ReferableNode; work: NodesWork },
): Promise<RelationResult> {
  if (work.reuse === undefined) return makeRelation(ctx, slot, { node, work });
  const decision = work.reuse.decide(node);
  if (decision.isReused) return reusedResult(ctx, node);
  const result = await makeRelation(ctx, slot, { node, work });
  // What was made without rows is nothing to rely on.
  if (work.empty?.has(node.id) !== true) work.reuse.made(result);
  return { ...result, why: decision.why };
}

function makeRelation(
  ctx: Context,
  { pool, session, thread, place }: Slot,
  { node, work }: { node: ReferableNode; work: NodesWork },
): Promise<RelationResult> {
  const { engine } = pool;
  const isEmpty = work.empty?.has(node.id) ?? false;
  if (node.kind === "seed") return loadSeed(ctx, { session, thread }, { node, isEmpty });
  if (node.kind === "snapshot") {
    const source = work.graph.nodes.get(node.dependsOn[0] ?? "");
    if (source === undefined || !("relation" in source)) throw new Error(`${node.id} is taken of nothing`);
    return takeSnapshot(
      ctx,
      { engine, session, thread },
      {
        node,
        source: work.snapshotSources?.get(node.id) ?? engine.nameOf(source.relation),
        isNew: !place.existing.has(relationKey(node.relation)),
        isEmpty,
      },
    );
  }
  return buildModel(
    ctx,
    { session, thread },
    {
      node,
      compiled: work.compiled.get(node.id),
      isFullRefresh: work.isFullRefresh ?? false,
      eventTime: work.eventTime,
      batches: work.batches?.get(node.id),
    },
  );
}
