import type { Context } from "../../core/context.ts";
import { describeError, ProjectError } from "../../core/errors.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { runInOrder } from "../build/execute.ts";
import type { TestResult } from "../build/results.ts";
import { type SessionPool, withSession } from "../build/session-pool.ts";
import { readsOf } from "../graph/ephemeral.ts";
import type { RelationNode, TestNode } from "../graph/nodes.ts";
import { storageOf } from "./failure-tables.ts";
import { INTERRUPTED, measureTest, missingTest, PROVEN, skippedTest, type TestOutcome } from "./measure.ts";
import { branchesOf, isProvenByKeys, type ProofScope, provenBy } from "./proofs.ts";

export interface TestOptions {
  /** Whether tests whose configuration does not say keep their failing rows. */
  storeFailures?: boolean;
  /** Whether the first failure is the last test. */
  failFast?: boolean;
}

export interface TestWork extends TestOptions, Omit<ProofScope, "rowEstimates"> {
  tests: readonly TestNode[];
  /** Names of the models that failed before, by the id of what was not built because of them. */
  broken?: ReadonlyMap<string, string>;
}

/** Runs the data tests, at most `pool.size` batches at once; those that look at a broken node are skipped. */
export async function runDataTests(ctx: Context, pool: SessionPool, work: TestWork): Promise<TestResult[]> {
  const group: TestGroup = {
    ...work,
    engine: pool.engine,
    missing: await missingNodes(ctx, pool.engine, work),
    rowEstimates: work.tests.length > 0 ? await pool.engine.rowEstimates() : new Map(),
    progress: { isStopped: false },
  };
  await createFailureSchemas(pool.engine, work);
  const batches = new Map(batchesOf(group).map((batch, index) => [String(index), batch]));
  const results = await runInOrder([...batches.keys()], {
    dependencies: () => [],
    limit: pool.size,
    work: (index) =>
      withSession(pool, (session, thread) =>
        runTestGroup(ctx, { session, thread }, { ...group, tests: batches.get(index) ?? [] }),
      ),
  });
  const byId = new Map([...results.values()].flat().map((result) => [result.node.id, result]));
  return work.tests.flatMap((test) => byId.get(test.id) ?? []);
}

/** Tests, and what is known of what they look at. */
export interface TestGroup extends TestWork, ProofScope {
  engine: Engine;
  /** Errors of what the tests look at and the engine does not have, by node. */
  missing: ReadonlyMap<string, ProjectError>;
  /** Shared by all groups of a command: whether `failFast` has stopped it. */
  progress: { isStopped: boolean };
}

/**
 * Runs tests on one session. Those that one scan can show to hold are answered together; every other one by its
 * own query, so that results are the same as apart. Their schemas of failing rows have to be there.
 */
export async function runTestGroup(
  ctx: Context,
  { session, thread }: { session: Session; thread: number },
  group: TestGroup,
): Promise<TestResult[]> {
  const noted = (result: Omit<TestResult, "thread">) => {
    report(ctx, { ...result, thread });
    return { ...result, thread };
  };
  const results: TestResult[] = [];
  const open: TestNode[] = [];
  for (const node of group.tests) {
    const outcome = whyNotRun(ctx, group, node);
    if (outcome === undefined) open.push(node);
    else results.push(noted({ node, ...outcome, ...timesSince(ctx, ctx.clock.now()) }));
  }
  const startedAt = ctx.clock.now();
  const branches = branchesOf(group, open);
  const asked = branches.reduce((total, { tests }) => total + tests.length, 0);
  const proven = asked > 1 ? await unlessAborted(ctx, () => provenBy(session, branches)) : undefined;
  const share = timesSince(ctx, startedAt, asked);
  for (const node of open) {
    if (proven?.has(node)) {
      results.push(noted({ node, ...PROVEN, ...share }));
      continue;
    }
    const since = ctx.clock.now();
    const outcome = whyNotRun(ctx, group, node) ?? (await answerTest(ctx, session, { group, node }));
    const result = noted({ node, ...outcome, ...timesSince(ctx, since) });
    if (group.failFast && ["fail", "error"].includes(result.status)) group.progress.isStopped = true;
    results.push(result);
  }
  return results;
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
  return measureTest(ctx, session, { node, compiled, dialect: group.engine, storage });
}

/** The result of a test that cannot be run at all. */
function whyNotRun(ctx: Context, group: TestGroup, node: TestNode): TestOutcome | undefined {
  const reads = readsOf(group.graph, node);
  const why = group.progress.isStopped ? STOPPED : whySkipped(reads, group.broken);
  if (why !== undefined) return skippedTest(why);
  const missing = firstMissing(reads, group.missing);
  if (missing !== undefined) return missingTest(missing);
  return ctx.signal.aborted ? skippedTest(INTERRUPTED) : undefined;
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

/** Where the failing rows of the tests are stored. */
export async function createFailureSchemas(
  engine: Engine,
  { tests, storeFailures = false }: Pick<TestWork, "tests" | "storeFailures">,
): Promise<void> {
  const storing = tests.filter(({ config }) => storageOf(config, storeFailures) !== null);
  if (storing.length > 0) await engine.createSchemas(new Set(storing.map(({ relation }) => relation.schema)));
}

/** Tests that one statement answers at most. */
const BATCH_TESTS = 50;

/** The tests in batches: those on small tables many at a time, on other relations what one scan answers, or alone. */
function batchesOf(group: TestGroup): TestNode[][] {
  const branches = branchesOf(group, group.tests);
  const answered = new Set(branches.flatMap(({ tests }) => tests));
  const batches = group.tests.filter((test) => !answered.has(test)).map((test) => [test]);
  let open: TestNode[] | undefined;
  for (const { tests, isSmall } of branches) {
    if (isSmall && open !== undefined && open.length + tests.length <= BATCH_TESTS) open.push(...tests);
    else {
      const batch = [...tests];
      batches.push(batch);
      if (isSmall) open = batch;
    }
  }
  const places = new Map(group.tests.map((test, place) => [test, place]));
  const placeOf = ([first]: TestNode[]) => (first && places.get(first)) ?? 0;
  return batches.sort((one, other) => placeOf(one) - placeOf(other));
}

/** Why tests do not run after the first failure. */
const STOPPED = "a test before it failed (--fail-fast)";

function whySkipped(reads: readonly string[], broken: TestWork["broken"]): string | undefined {
  const culprit = reads.map((parent) => broken?.get(parent)).find((name) => name !== undefined);
  return culprit === undefined ? undefined : `${culprit} failed`;
}

/** What tests look at and the engine does not have; said once for each, however many tests there are. */
async function missingNodes(
  ctx: Context,
  engine: Engine,
  { graph, tests, broken }: TestWork,
): Promise<Map<string, ProjectError>> {
  const existing = await engine.relations();
  const missing = new Map<string, ProjectError>();
  for (const id of new Set(tests.flatMap((test) => readsOf(graph, test)))) {
    const node = graph.nodes.get(id);
    if (node === undefined || node.kind === "test" || node.kind === "exposure" || broken?.has(id)) continue;
    if (existing.has(relationKey(node.relation))) continue;
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

function firstMissing(
  reads: readonly string[],
  missing: ReadonlyMap<string, ProjectError>,
): ProjectError | undefined {
  return reads.map((id) => missing.get(id)).find((error) => error !== undefined);
}

function report(ctx: Context, { node, status, failures, reason, error }: TestResult): void {
  const fields = { test: node.name, status, failures };
  if (status === "pass") ctx.log.debug("test_passed", `passed ${node.name}`, fields);
  else if (reason === STOPPED) ctx.log.debug("test_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (status === "skipped") ctx.log.warn("test_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (status === "warn")
    ctx.log.debug("test_warned", `test ${node.name}: ${failures} rows break it`, fields);
  else if (status === "fail")
    ctx.log.error("test_failed", `test ${node.name} failed: ${failures} rows break it`, fields);
  else if (error !== null && error.code !== "TEST_RELATION_MISSING")
    ctx.log.error("test_errored", describeError(error), fields);
}
