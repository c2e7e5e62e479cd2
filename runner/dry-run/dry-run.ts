import type { Context } from "../../core/context.ts";
import { describeError } from "../../core/errors.ts";
import type { Engine } from "../../engines/engine.ts";
import type { EventTimeRange } from "../build/materializations/batch-windows.ts";
import { windowsOf } from "../build/materializations/microbatch.ts";
import { buildModels, modelsToBuild } from "../build/models.ts";
import type { ModelResult, SeedResult, SnapshotResult } from "../build/results.ts";
import { loadSeedTables, missingSeeds } from "../build/seeds.ts";
import { createSessionPool, type SessionPool, withSession } from "../build/session-pool.ts";
import { takeSnapshots } from "../build/snapshots.ts";
import { bindDataTest, firstMissing, missingNodes, whySkipped } from "../data-tests/data-tests.ts";
import type { CompiledNode } from "../graph/compile.ts";
import { readsOf } from "../graph/ephemeral.ts";
import {
  type Graph,
  isMicrobatch,
  type ModelNode,
  type SeedNode,
  type SnapshotNode,
  seedsOf,
  snapshotsOf,
  type TestNode,
  testsOf,
} from "../graph/nodes.ts";
import { boundOnly } from "./binding.ts";
import { type BuiltNode, isAddedTo, modelAction, type PlannedNode, Present } from "./plan.ts";
import { wavesOf } from "./waves.ts";

export interface DryRunWork {
  graph: Graph;
  selected: ReadonlySet<string>;
  compiled: ReadonlyMap<string, CompiledNode>;
  /** What the command runs of the selection. */
  kinds: ReadonlySet<"seed" | "model" | "snapshot" | "test">;
  /** SQL for what snapshots read, where that is no relation. */
  snapshotSources?: ReadonlyMap<string, string>;
  onlySelected?: boolean;
  isFullRefresh?: boolean;
  eventTime?: EventTimeRange | undefined;
}

interface DryRun extends DryRunWork {
  pool: SessionPool;
  present: Present;
  /** Names of what does not bind, by the id of what reads it. */
  broken: Map<string, string>;
  added: ReadonlySet<string>;
}

/**
 * Binds what a command would run, in its order, in `engine`: a copy of the warehouse without rows, which is
 * changed as the run would change the warehouse. No hook is run.
 */
export async function dryRun(
  ctx: Context,
  { engine, threads }: { engine: Engine; threads: number },
  work: DryRunWork,
): Promise<PlannedNode[]> {
  const { graph, selected, kinds, onlySelected = false } = work;
  const chosen = <T extends BuiltNode | TestNode>(nodes: readonly T[]) =>
    nodes.filter(({ id, kind }) => kinds.has(kind) && selected.has(id));
  const { models, added } = await modelsToBuild(engine, graph, {
    selected: kinds.has("model") ? selected : new Set(),
    onlySelected,
  });
  const seeds = chosen(seedsOf(graph));
  const first = (onlySelected ? [] : await missingSeeds(engine, graph, models)).filter(
    (seed) => !seeds.includes(seed),
  );
  const snapshots = chosen(snapshotsOf(graph));
  const run: DryRun = {
    ...work,
    pool: createSessionPool(engine, threads),
    present: await Present.read(engine, [...seeds, ...first, ...models, ...snapshots]),
    broken: new Map(),
    added: new Set([...first, ...added].map(({ id }) => id)),
  };
  const planned = await planSeeds(ctx, run, [...seeds, ...first]);
  for (const wave of wavesOf(graph, { models, snapshots })) {
    const part =
      wave.kind === "model" ? planModels(ctx, run, wave.nodes) : planSnapshots(ctx, run, wave.nodes);
    planned.push(...(await part));
  }
  return [...planned, ...(await planTests(ctx, run, chosen(testsOf(graph))))];
}

async function planSeeds(ctx: Context, run: DryRun, seeds: readonly SeedNode[]): Promise<PlannedNode[]> {
  const results = await loadSeedTables(ctx, run.pool, seeds);
  return plannedOf(run, results, ({ node }) => (run.present.kindOf(node) === null ? "create" : "replace"));
}

async function planSnapshots(
  ctx: Context,
  run: DryRun,
  snapshots: readonly SnapshotNode[],
): Promise<PlannedNode[]> {
  const { graph, snapshotSources: sources = new Map<string, string>() } = run;
  const results = await takeSnapshots(ctx, run.pool, { graph, snapshots, sources, isEmpty: true });
  return plannedOf(run, results, ({ node }) =>
    run.present.kindOf(node) === null ? "create" : "add versions",
  );
}

async function planModels(ctx: Context, run: DryRun, models: readonly ModelNode[]): Promise<PlannedNode[]> {
  const { graph, broken, isFullRefresh = false } = run;
  const compiled = new Map(
    models.flatMap(({ id }) => {
      const node = run.compiled.get(id);
      return node === undefined ? [] : [[id, boundOnly(node)] as const];
    }),
  );
  const now = ctx.startedAt;
  const oneBatch = { start: new Date(now.getTime() - 1), end: now };
  const work = { graph, models, compiled, isFullRefresh, eventTime: oneBatch, broken };
  const results = await buildModels(ctx, run.pool, work);
  const planned = await plannedOf(run, results, ({ node, ran }) => {
    const present = run.present.kindOf(node);
    const isNewTable = !isMicrobatch(node) && ran !== compiled.get(node.id)?.incremental;
    const isIncremental = isAddedTo(node, { present, isFullRefresh }) && !isNewTable;
    return modelAction(node, { present, isFullRefresh, isIncremental });
  });
  return planned.map((one) => {
    const { node, present } = one;
    if (node.kind !== "model" || !isMicrobatch(node) || one.action === null) return one;
    const isIncremental = isAddedTo(node, { present, isFullRefresh });
    return { ...one, batches: windowsOf(ctx, { node, eventTime: run.eventTime }, isIncremental).length };
  });
}

/** What the results in the copy say of the warehouse. */
async function plannedOf<R extends ModelResult | SeedResult | SnapshotResult>(
  run: DryRun,
  results: readonly R[],
  actionOf: (result: R) => PlannedNode["action"],
): Promise<PlannedNode[]> {
  const planned: PlannedNode[] = [];
  const differences = await withSession(run.pool, (session) =>
    run.present.differences(
      session,
      results.map(({ node }) => node),
    ),
  );
  for (const result of results) {
    const { node, status, rows, error, reason } = result;
    const isBound = status === "success";
    if (!isBound) run.broken.set(node.id, reason?.replace(/ failed$/, "") ?? node.name);
    planned.push({
      node,
      action: isBound ? actionOf(result) : null,
      isAdded: run.added.has(node.id),
      present: run.present.kindOf(node),
      columns: isBound ? (differences.get(node.id) ?? null) : null,
      rows: node.kind === "seed" ? rows : null,
      batches: null,
      error,
      reason,
    });
  }
  return planned;
}

async function planTests(ctx: Context, run: DryRun, tests: readonly TestNode[]): Promise<PlannedNode[]> {
  const { graph, broken } = run;
  const missing = await missingNodes(ctx, run.pool.engine, { graph, tests, broken });
  const planned: PlannedNode[] = [];
  for (const node of tests) planned.push(await planTest(ctx, run, { node, missing }));
  return planned;
}

const UNKNOWN = { isAdded: false, present: null, columns: null, rows: null, batches: null };

async function planTest(
  ctx: Context,
  run: DryRun,
  { node, missing }: { node: TestNode; missing: Awaited<ReturnType<typeof missingNodes>> },
): Promise<PlannedNode> {
  const compiled = run.compiled.get(node.id);
  if (compiled === undefined) throw new Error(`${node.id} was not compiled`);
  const reads = readsOf(run.graph, node);
  const reason = whySkipped(reads, run.broken) ?? null;
  const absent = firstMissing(reads, missing);
  if (reason !== null || absent !== undefined)
    return { ...UNKNOWN, node, action: null, error: reason === null ? (absent ?? null) : null, reason };
  const error = await withSession(run.pool, (session) => bindDataTest(session, { node, compiled }));
  if (error !== null) ctx.log.error("test_errored", describeError(error), { test: node.name });
  return { ...UNKNOWN, node, action: error === null ? "test" : null, error, reason: null };
}
