import type { Context } from "../../core/context.ts";
import { describeError, type ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Engine, type Session, SqlError } from "../../engines/engine.ts";
import { materialize } from "../build/materializations/materialize.ts";
import { sqlProjectError } from "../build/models.ts";
import type { UnitTestResult } from "../build/results.ts";
import { addSnapshot, snapshotError } from "../build/snapshots.ts";
import { type CompiledNode, type CompileScope, compileNodes } from "../graph/compile.ts";
import type { ModelNode, SnapshotNode, UnitTestNode } from "../graph/nodes.ts";
import { BOUND_SCHEMA, ColumnCatalog } from "./column-types.ts";
import { createBench, type TestBench } from "./copies.ts";
import type { Difference } from "./difference.ts";
import { runError } from "./errors.ts";
import { differenceOf } from "./expectation.ts";
import { createInput } from "./inputs.ts";

export interface UnitTestWork {
  scope: CompileScope;
  tests: readonly UnitTestNode[];
  /** Whether the first failure is the last test. */
  failFast?: boolean;
}

type Outcome = Pick<UnitTestResult, "status" | "difference" | "isSecondBuild" | "error" | "reason">;
const NOTHING = { difference: null, isSecondBuild: false, error: null, reason: null } as const;
const STOPPED = "a test before it failed (--fail-fast)";

/**
 * Runs the unit tests one after another in `engine`, a database in memory: each in a schema of its own, which is
 * gone afterwards. A test that fails or cannot be run does not stop the others.
 */
export async function runUnitTests(
  ctx: Context,
  engine: Engine,
  work: UnitTestWork,
): Promise<UnitTestResult[]> {
  if (work.tests.length === 0) return [];
  await engine.createSchemas([BOUND_SCHEMA]);
  const session = await engine.openSession();
  try {
    const catalog = new ColumnCatalog(ctx, work.scope, session);
    const results: UnitTestResult[] = [];
    let isStopped = false;
    for (const [place, node] of work.tests.entries()) {
      const startedAt = ctx.clock.now();
      const run = { session, catalog, scope: work.scope, prefix: `unit_test_${place + 1}` };
      const outcome: Outcome = isStopped
        ? { ...NOTHING, status: "skipped", reason: STOPPED }
        : await testOutcome(ctx, node, run);
      const endedAt = ctx.clock.now();
      const seconds = (endedAt.getTime() - startedAt.getTime()) / 1000;
      const result = { node, thread: 1, startedAt, endedAt, seconds, ...outcome };
      if (work.failFast && ["fail", "error"].includes(result.status)) isStopped = true;
      report(ctx, result);
      results.push(result);
    }
    return results;
  } finally {
    session.close();
  }
}

interface Run {
  session: Session;
  catalog: ColumnCatalog;
  scope: CompileScope;
  /** Of the names of the test's schemas. */
  prefix: string;
}

async function testOutcome(ctx: Context, test: UnitTestNode, run: Run): Promise<Outcome> {
  const interrupted = { ...NOTHING, status: "skipped", reason: "the run was interrupted" } as const;
  if (ctx.signal.aborted) return interrupted;
  const { session } = run;
  const bench = createBench(ctx, run.scope, { test, prefix: run.prefix });
  try {
    for (const schema of bench.schemas) await session.run(`create schema ${run.scope.dialect.quote(schema)}`);
    await createInputs(test, bench, run);
    return test.materialize
      ? await buildAndCompare(test, bench, run)
      : await queryAndCompare(test, bench, run);
  } catch (error) {
    if (ctx.signal.aborted) return interrupted;
    const [known] = projectErrorsOf(error);
    if (known === undefined) throw error;
    return { ...NOTHING, status: "error", error: known };
  } finally {
    if (!ctx.signal.aborted) {
      for (const schema of bench.schemas)
        await session.run(`drop schema if exists ${run.scope.dialect.quote(schema)} cascade`);
    }
  }
}

async function createInputs(
  test: UnitTestNode,
  bench: TestBench,
  { session, catalog, scope }: Run,
): Promise<void> {
  const { dialect } = scope;
  for (const { id, isThis, input, fixture } of test.given) {
    const known = await catalog.readBy(test.subject, id);
    const relation = bench.relationOf(id);
    if (fixture !== null)
      await createInput(session, relation, { dialect, fixture, known, label: labelOf(input, isThis, test) });
    else await session.replaceTable(relation, `from ${dialect.nameOf(catalog.seedRelation(id))}`);
  }
}

function labelOf(input: string, isThis: boolean, { dependsOn }: UnitTestNode): string {
  return isThis ? `the table of ${dependsOn[0]?.split(".").slice(2).join(".")}` : input;
}

/** Compares the rows of the model's query. */
async function queryAndCompare(test: UnitTestNode, bench: TestBench, run: Run): Promise<Outcome> {
  const { ctx, scope, subject, isIncremental = false } = bench;
  const all = subject.kind === "model" ? compileNodes(ctx, scope, [subject]).get(subject.id) : undefined;
  const compiled = isIncremental ? all?.incremental : all;
  if (compiled === undefined) throw new Error(`${subject.id} was not compiled`);
  const actual = await run.session.query(compiled.sql).catch(async (error: unknown) => {
    throw await queryError(error, { test, compiled, run });
  });
  return outcomeOf(await differenceOf(run.session, { dialect: run.scope.dialect, test, actual }), false);
}

function outcomeOf(difference: Difference | null, isSecondBuild: boolean): Outcome {
  return { ...NOTHING, status: difference === null ? "pass" : "fail", difference, isSecondBuild };
}

/** Builds the table as it is built in the warehouse, and again, and compares its rows each time. */
async function buildAndCompare(test: UnitTestNode, bench: TestBench, run: Run): Promise<Outcome> {
  const { session, scope } = run;
  const table = scope.dialect.nameOf(bench.subject.relation);
  const rebuild = builderOf(test, bench, run);
  for (const isSecondBuild of test.idempotent ? [false, true] : [false]) {
    await rebuild();
    const actual = await session.query(`from ${table}`);
    const difference = await differenceOf(session, { dialect: scope.dialect, test, actual });
    if (difference !== null) return outcomeOf(difference, isSecondBuild);
  }
  return outcomeOf(null, false);
}

function builderOf(test: UnitTestNode, bench: TestBench, run: Run): () => Promise<void> {
  const { ctx, scope, subject } = bench;
  if (subject.kind === "snapshot") return () => takeSnapshot(test, { bench, run, subject });
  const compiled = compileNodes(ctx, scope, [subject]).get(subject.id);
  if (compiled === undefined) throw new Error(`${subject.id} was not compiled`);
  return () => buildModel(test, { bench, run, subject, compiled });
}

async function buildModel(
  test: UnitTestNode,
  of: { bench: TestBench; run: Run; subject: ModelNode; compiled: CompiledNode },
): Promise<void> {
  const { bench, run, subject: node, compiled } = of;
  let ran = compiled;
  const work = {
    node,
    compiled,
    isFullRefresh: false,
    onChosen: (text: CompiledNode) => {
      ran = text;
    },
  };
  try {
    const { failure } = await materialize(bench.ctx, run.session, work);
    if (failure === null) return;
    ran = failure.ran;
    throw failure.error;
  } catch (error) {
    throw await queryError(error, { test, compiled: ran, run });
  }
}

async function takeSnapshot(
  test: UnitTestNode,
  of: { bench: TestBench; run: Run; subject: SnapshotNode },
): Promise<void> {
  const { bench, run, subject: node } = of;
  const { dialect } = run.scope;
  const source = dialect.nameOf(bench.relationOf(node.dependsOn[0] ?? ""));
  const isNew = (await run.session.kindOf(node.relation)) === undefined;
  try {
    await addSnapshot(run.session, { dialect, node, source, isNew, now: bench.ctx.clock.now() });
  } catch (error) {
    throw inTest(snapshotError(error, node), test);
  }
}

/** The mistake with the test in which it showed. */
function inTest({ code, message, where, why, hint, cause }: ProjectError, test: UnitTestNode): ProjectError {
  const line = `in unit test ${test.name}, ${test.where}`;
  return runError(code, where ?? test.where, { message, why: [line, ...why], hint: hint ?? "", cause });
}

async function queryError(
  error: unknown,
  { test, compiled, run }: { test: UnitTestNode; compiled: CompiledNode; run: Run },
): Promise<unknown> {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return inTest(known, test);
  if (!(error instanceof SqlError)) return error;
  const untyped = await untypedColumns(test, run.catalog);
  const isMissing = /Table with name .* does not exist/s.test(error.message);
  const hint =
    untyped.length > 0
      ? `if a type is wrong: give these columns a data_type in YAML: ${untyped.slice(0, 5).join(", ")}`
      : undefined;
  const missingTableHint = isMissing ? "give the former rows of the model's own table: - input: this" : hint;
  return inTest(
    sqlProjectError("UNIT_TEST_SQL", error, { compiled, fallback: test.where, missingTableHint }),
    test,
  );
}

/** Columns that have the type of the values that the test gives, for want of another. */
async function untypedColumns(test: UnitTestNode, catalog: ColumnCatalog): Promise<string[]> {
  const columns: string[] = [];
  for (const { id, input, fixture } of test.given) {
    const known = await catalog.of(id);
    const typed = new Set(
      known.columns.flatMap(({ name, type }) => (type === null ? [] : [name.toLowerCase()])),
    );
    if (fixture?.kind !== "rows") continue;
    const names = fixture.columns.filter((name) => !typed.has(name.toLowerCase()));
    columns.push(...names.map((name) => `${name} of ${input}`));
  }
  return columns;
}

function report(
  ctx: Context,
  { node, status, difference, isSecondBuild, reason, error }: UnitTestResult,
): void {
  const fields = { unit_test: node.name, status };
  const again = isSecondBuild ? " when the table is built again" : "";
  if (status === "pass") ctx.log.debug("unit_test_passed", `passed ${node.name}`, fields);
  else if (status === "skipped")
    ctx.log.debug("unit_test_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error("unit_test_errored", describeError(error), fields);
  else if (difference !== null)
    ctx.log.error("unit_test_failed", `unit test ${node.name} failed${again}`, { ...fields, difference });
}
