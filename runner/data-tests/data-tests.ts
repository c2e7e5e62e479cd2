import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Dialect, type Engine, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import { runInOrder } from "../build/execute.ts";
import { sqlProjectError } from "../build/models.ts";
import type { TestResult } from "../build/results.ts";
import { type SessionPool, withSession } from "../build/session-pool.ts";
import type { CompiledNode } from "../graph/compile.ts";
import { readsOf } from "../graph/ephemeral.ts";
import type { Graph, RelationNode, TestNode } from "../graph/nodes.ts";
import { storageOf } from "./failure-tables.ts";

/** Failing rows that are kept of a test. */
const SAMPLE_ROWS = 10;

type Outcome = Pick<TestResult, "status" | "failures" | "sample" | "isStored" | "error" | "reason">;

export interface TestOptions {
  /** Whether tests whose configuration does not say keep their failing rows. */
  storeFailures?: boolean;
  /** Whether the first failure is the last test. */
  failFast?: boolean;
  /** Whether a test that would warn fails. */
  warnError?: boolean;
}

export interface TestWork extends TestOptions {
  graph: Graph;
  tests: readonly TestNode[];
  compiled: ReadonlyMap<string, CompiledNode>;
  /** Names of the models that failed before, by the id of what was not built because of them. */
  broken?: ReadonlyMap<string, string>;
}

/** Runs the data tests, at most `pool.size` at once; those that look at a broken node are skipped. */
export async function runDataTests(ctx: Context, pool: SessionPool, work: TestWork): Promise<TestResult[]> {
  const byId = new Map(work.tests.map((test) => [test.id, test]));
  const missing = await missingNodes(ctx, pool.engine, work);
  const storageFor = (node: TestNode) => storageOf(node.config, work.storeFailures ?? false);
  const storing = work.tests.filter((node) => storageFor(node) !== null);
  if (storing.length > 0)
    await pool.engine.createSchemas(new Set(storing.map(({ relation }) => relation.schema)));
  let isStopped = false;
  const results = await runInOrder([...byId.keys()], {
    dependencies: () => [],
    limit: pool.size,
    work: async (id) => {
      const node = byId.get(id);
      const compiled = work.compiled.get(id);
      if (node === undefined || compiled === undefined) throw new Error(`${id} was not compiled`);
      const reads = readsOf(work.graph, node);
      const whyNot = isStopped ? STOPPED : whySkipped(reads, work.broken);
      const result = await withSession(pool, (session, thread) =>
        timed(ctx, { node, thread }, () =>
          testOutcome(ctx, session, {
            node,
            compiled,
            whyNot,
            missing: firstMissing(reads, missing),
            dialect: pool.engine,
            storage: storageFor(node),
            warnError: work.warnError ?? false,
          }),
        ),
      );
      if (work.failFast && (result.status === "fail" || result.status === "error")) isStopped = true;
      report(ctx, result);
      return result;
    },
  });
  return work.tests.flatMap((test) => results.get(test.id) ?? []);
}

/** Why tests do not run after the first failure. */
const STOPPED = "a test before it failed (--fail-fast)";

export function whySkipped(reads: readonly string[], broken: TestWork["broken"]): string | undefined {
  const culprit = reads.map((parent) => broken?.get(parent)).find((name) => name !== undefined);
  return culprit === undefined ? undefined : `${culprit} failed`;
}

/** What tests look at and the engine does not have; said once for each, however many tests there are. */
export async function missingNodes(
  ctx: Context,
  engine: Engine,
  { graph, tests, broken }: Pick<TestWork, "graph" | "tests" | "broken">,
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

export function firstMissing(
  reads: readonly string[],
  missing: ReadonlyMap<string, ProjectError>,
): ProjectError | undefined {
  return reads.map((id) => missing.get(id)).find((error) => error !== undefined);
}

async function timed(
  ctx: Context,
  of: { node: TestNode; thread: number },
  work: () => Promise<Outcome>,
): Promise<TestResult> {
  const startedAt = ctx.clock.now();
  const outcome = await work();
  const endedAt = ctx.clock.now();
  return { ...of, ...outcome, startedAt, endedAt, seconds: (endedAt.getTime() - startedAt.getTime()) / 1000 };
}

interface Measured {
  node: TestNode;
  compiled: CompiledNode;
  dialect: Dialect;
  storage: "table" | "view" | null;
  warnError: boolean;
}

/** What is said of a test that gave no verdict. */
const NOTHING = { failures: null, sample: null, isStored: false, error: null, reason: null };

async function testOutcome(
  ctx: Context,
  session: Session,
  test: Measured & { whyNot: string | undefined; missing: ProjectError | undefined },
): Promise<Outcome> {
  if (test.whyNot !== undefined) return skippedOutcome(test.whyNot);
  if (test.missing !== undefined)
    return { ...NOTHING, status: "error", error: test.missing, reason: test.missing.message };
  if (ctx.signal.aborted) return skippedOutcome("the run was interrupted");
  try {
    return await measure(session, test);
  } catch (error) {
    if (ctx.signal.aborted) return skippedOutcome("the run was interrupted");
    return { ...NOTHING, status: "error", error: testError(error, test) };
  }
}

/** dbt's shape: the number of failures and the two verdicts on it in one query. */
function verdictHead({ config: { fail_calc, warn_if, error_if } }: TestNode): string {
  return `select ${fail_calc} as failures, ${fail_calc} ${warn_if} as should_warn, ${fail_calc} ${error_if} as should_error\nfrom (\n`;
}

/** What the engine says against a test's query, which is not run; null when it would run. */
export async function bindDataTest(
  session: Session,
  { node, compiled }: Pick<Measured, "node" | "compiled">,
): Promise<ProjectError | null> {
  const head = verdictHead(node);
  try {
    const [, ...verdicts] = await session.columnsOfQuery(`${head}${compiled.sql}\n) as data_test`);
    return verdicts.every(({ type }) => type === "BOOLEAN") ? null : noVerdict(node);
  } catch (error) {
    const start = head.length;
    const length = compiled.sql.length;
    return testError(error instanceof SqlError ? error.inside({ start, length }) : error, { node, compiled });
  }
}

async function measure(session: Session, test: Measured): Promise<Outcome> {
  const { node, compiled, storage } = test;
  const { limit, severity } = node.config;
  const query = limit === null ? compiled.sql : `${compiled.sql}\nlimit ${limit}`;
  if (storage === "table") await session.replaceTable(node.relation, query);
  if (storage === "view") await session.replaceView(node.relation, query);
  const limited = storage === null ? query : `select * from ${test.dialect.nameOf(node.relation)}`;
  const head = verdictHead(node);
  const counted = await session.query(`${head}${limited}\n) as data_test`).catch((error: unknown) => {
    if (!(error instanceof SqlError)) throw error;
    // Of stored rows only the conditions are asked, which stand in no file of their own.
    const length = storage === null ? compiled.sql.length : 0;
    throw error.inside({ start: length === 0 ? Number.POSITIVE_INFINITY : head.length, length });
  });
  const [count, shouldWarn, shouldError] = counted.rows[0] ?? [];
  const failures = Number(count ?? 0);
  const passed: Outcome = { ...NOTHING, status: "pass", failures, isStored: storage !== null };
  const rows = () =>
    session.query(`select * from (\n${limited}\n) as failing order by 1 limit ${SAMPLE_ROWS}`);
  // A sum over no rows is null; over rows it would be a verdict that says nothing.
  if (count === null && (await rows()).rows.length === 0) return passed;
  if (typeof shouldWarn !== "boolean" || typeof shouldError !== "boolean" || !Number.isFinite(failures))
    throw noVerdict(node);
  const isError = (severity === "error" && shouldError) || (test.warnError && shouldWarn);
  if (!isError && !shouldWarn) return passed;
  return { ...passed, status: isError ? "fail" : "warn", sample: await rows() };
}

function noVerdict({ config, where }: TestNode): ProjectError {
  const { fail_calc, warn_if, error_if } = config;
  return new ProjectError("TEST_VERDICT", {
    message: "the test gives no verdict",
    where,
    why: [`fail_calc: ${fail_calc}`, `warn_if: ${warn_if}`, `error_if: ${error_if}`],
    hint: "fail_calc has to give a number, and the other two conditions on it, such as '> 10'",
  });
}

function testError(error: unknown, { node, compiled }: Pick<Measured, "node" | "compiled">): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  const reported = sqlProjectError("TEST_SQL", error, { compiled, fallback: node.where });
  // The SQL of a project's own test stands in its file: the place alone does not say which use of it went wrong.
  if (reported.where !== node.where && node.generic !== null) reported.why.push(`used at ${node.where}`);
  return reported;
}

function skippedOutcome(reason: string): Outcome {
  return { ...NOTHING, status: "skipped", reason };
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
