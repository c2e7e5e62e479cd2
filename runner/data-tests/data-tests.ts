import type { Context } from "../../core/context.ts";
import { describeError, ProjectError } from "../../core/errors.ts";
import type { Engine, Session } from "../../engines/engine.ts";
import type { TestResult } from "../build/results.ts";
import { readsOf } from "../graph/ephemeral.ts";
import type { Graph, RelationNode, TestNode } from "../graph/nodes.ts";
import { storageOf } from "./failure-tables.ts";
import { measureTest, missingTest, PROVEN, skippedTest, type TestOutcome } from "./measure.ts";
import { branchesOf, isProvenByKeys, type ProofScope, provenBy } from "./proofs.ts";

export interface TestOptions {
  /** Whether tests whose configuration does not say keep their failing rows. */
  storeFailures?: boolean;
  /** Whether the first failure is the last that is run. */
  failFast?: boolean;
  /** Whether a test that would warn fails. */
  warnError?: boolean;
}

/** Tests that run one after another, and what is known of what they look at. */
export interface TestGroup extends ProofScope {
  tests: readonly TestNode[];
  warnError: boolean;
  engine: Engine;
  /** Errors of what the tests look at and the engine does not have, by node. */
  missing: ReadonlyMap<string, ProjectError>;
  /** Asked before each test: why it is not to run any more. */
  whyStop: () => string | undefined;
  /** Told of each test as soon as it is done. */
  onResult: (result: TestResult) => void;
}

/**
 * Runs tests on one session. Those that one scan can show to hold are answered together; every other one by its
 * own query, so that results are the same as apart. Their schemas of failing rows have to be there.
 */
export async function runTestGroup(
  ctx: Context,
  { session, thread }: { session: Session; thread: number },
  group: TestGroup,
): Promise<void> {
  const open: TestNode[] = [];
  for (const node of group.tests) {
    const outcome = whyNotRun(group, node);
    if (outcome === undefined) open.push(node);
    else group.onResult({ node, thread, ...outcome, ...timesSince(ctx, ctx.clock.now()) });
  }
  const startedAt = ctx.clock.now();
  const branches = branchesOf(group, open);
  const asked = branches.reduce((total, { tests }) => total + tests.length, 0);
  const proven = asked > 1 ? await unlessAborted(ctx, () => provenBy(session, branches)) : undefined;
  const share = timesSince(ctx, startedAt, asked);
  for (const node of open) {
    if (proven?.has(node)) {
      group.onResult({ node, thread, ...PROVEN, ...share });
      continue;
    }
    const since = ctx.clock.now();
    const outcome = whyNotRun(group, node) ?? (await answerTest(ctx, session, { group, node }));
    group.onResult({ node, thread, ...outcome, ...timesSince(ctx, since) });
  }
}

/** An interruption is not an error of a test. */
async function unlessAborted<T>(ctx: Context, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (ctx.signal.aborted) return undefined;
    throw error;
  }
}

async function answerTest(
  ctx: Context,
  session: Session,
  { group, node }: { group: TestGroup; node: TestNode },
): Promise<TestOutcome> {
  const compiled = group.compiled.get(node.id);
  if (compiled === undefined) throw new Error(`${node.id} was not compiled`);
  const keys = { scope: group, test: node };
  if (await unlessAborted(ctx, () => isProvenByKeys(session, group.engine, keys))) return PROVEN;
  const storage = storageOf(node.config, group.storeFailures ?? false);
  const { engine: dialect, warnError } = group;
  return measureTest(ctx, session, { node, compiled, dialect, storage, warnError });
}

/** The result of a test that cannot be run at all. */
function whyNotRun(group: TestGroup, node: TestNode): TestOutcome | undefined {
  const why = group.whyStop();
  if (why !== undefined) return skippedTest(why);
  const missing = firstMissing(readsOf(group.graph, node), group.missing);
  return missing === undefined ? undefined : missingTest(missing);
}

/** Of `tests` that were answered together each took its share. */
function timesSince(
  ctx: Context,
  startedAt: Date,
  tests = 1,
): Pick<TestResult, "startedAt" | "endedAt" | "seconds"> {
  const endedAt = ctx.clock.now();
  return { startedAt, endedAt, seconds: (endedAt.getTime() - startedAt.getTime()) / 1000 / tests };
}

/** Tests that one statement answers at most. */
const BATCH_TESTS = 50;

/**
 * Tests that may run in any order, in batches: those on small tables many at a time, on other relations what one
 * scan answers, or alone.
 */
export function batchesOf(scope: ProofScope, all: readonly TestNode[]): TestNode[][] {
  const branches = branchesOf(scope, all);
  const answered = new Set(branches.flatMap(({ tests }) => tests));
  const batches = all.filter((test) => !answered.has(test)).map((test) => [test]);
  let open: TestNode[] | undefined;
  for (const { tests, isSmall } of branches) {
    if (isSmall && open !== undefined && open.length + tests.length <= BATCH_TESTS) open.push(...tests);
    else {
      const batch = [...tests];
      batches.push(batch);
      if (isSmall) open = batch;
    }
  }
  const places = new Map(all.map((test, place) => [test, place]));
  const placeOf = ([first]: TestNode[]) => (first && places.get(first)) ?? 0;
  return batches.sort((one, other) => placeOf(one) - placeOf(other));
}

/** What tests look at and the engine does not have; said once for each, however many tests there are. */
export function missingNodes(
  ctx: Context,
  {
    graph,
    tests,
    hasRelation,
  }: {
    graph: Graph;
    tests: readonly TestNode[];
    /** Whether the engine has it, or will have it when the tests run. */
    hasRelation: (node: RelationNode) => boolean;
  },
): Map<string, ProjectError> {
  const missing = new Map<string, ProjectError>();
  for (const id of new Set(tests.flatMap((test) => readsOf(graph, test)))) {
    const node = graph.nodes.get(id);
    if (node === undefined || !("relation" in node) || node.kind === "test" || hasRelation(node)) continue;
    const error = notThere(node);
    missing.set(id, error);
    ctx.log.error("relation_missing", describeError(error), { node: node.name });
  }
  return missing;
}

function notThere(node: RelationNode): ProjectError {
  const hints = {
    model: `build it first: run models --select ${node.name}`,
    seed: `load it first: run seed --select ${node.name}`,
    snapshot: `take it first: run snapshot --select ${node.name}`,
    source: "load it first: run ingest",
  };
  return new ProjectError("TEST_RELATION_MISSING", {
    message: `${node.relation.schema}.${node.relation.name} does not exist`,
    where: `${node.file}:1:1`,
    why: ["tests that look at it could not run"],
    hint: hints[node.kind],
  });
}

/** The error of the first of these nodes that is not there. */
export function firstMissing(
  reads: readonly string[],
  missing: ReadonlyMap<string, ProjectError>,
): ProjectError | undefined {
  return reads.map((id) => missing.get(id)).find((error) => error !== undefined);
}
