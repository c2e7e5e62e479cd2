import type { Context } from "../../core/context.ts";
import { ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Dialect, type Session, SqlError } from "../../engines/engine.ts";
import { sqlProjectError } from "../build/models.ts";
import type { TestResult } from "../build/results.ts";
import type { CompiledNode } from "../graph/compile.ts";
import type { TestNode } from "../graph/nodes.ts";

/** Failing rows that are kept of a test. */
const SAMPLE_ROWS = 10;

export type TestOutcome = Pick<
  TestResult,
  "status" | "failures" | "sample" | "isStored" | "error" | "reason"
>;

export interface MeasuredTest {
  node: TestNode;
  compiled: CompiledNode;
  dialect: Dialect;
  storage: "table" | "view" | null;
  /** Whether it fails where it would warn. */
  warnError?: boolean;
}

/** What is said of a test that gave no verdict. */
const NOTHING = { failures: null, sample: null, isStored: false, error: null, reason: null };

/** Runs the test's own query. What goes wrong is the test's result. */
export async function measureTest(ctx: Context, session: Session, test: MeasuredTest): Promise<TestOutcome> {
  try {
    return await measure(session, test);
  } catch (error) {
    if (ctx.signal.aborted) return skippedTest(INTERRUPTED);
    return { ...NOTHING, status: "error", error: testError(error, test) };
  }
}

/** Why tests do not run after a signal. */
export const INTERRUPTED = "the run was interrupted";

/** The result of a test that was proven to have no failing rows. */
export const PROVEN: TestOutcome = { ...NOTHING, status: "pass", failures: 0 };

export function skippedTest(reason: string): TestOutcome {
  return { ...NOTHING, status: "skipped", reason };
}

/** The result of a test of something that is not there. */
export function missingTest(error: ProjectError): TestOutcome {
  return { ...NOTHING, status: "error", error, reason: error.message };
}

/** dbt's shape: the number of failures and the two verdicts on it in one query. */
function verdictHead({ config: { fail_calc, warn_if, error_if } }: TestNode): string {
  return `select ${fail_calc} as failures, ${fail_calc} ${warn_if} as should_warn, ${fail_calc} ${error_if} as should_error\nfrom (\n`;
}

/** What the engine says against a test's query, which is not run; null when it would run. */
export async function bindTest(
  session: Session,
  { node, compiled }: Pick<MeasuredTest, "node" | "compiled">,
): Promise<ProjectError | null> {
  const head = verdictHead(node);
  try {
    const [, ...verdicts] = await session.columnsOfQuery(`${head}${compiled.sql}\n) as data_test`);
    return verdicts.every(({ type }) => type === "BOOLEAN") ? null : noVerdict(node);
  } catch (error) {
    const inside = { start: head.length, length: compiled.sql.length };
    return testError(error instanceof SqlError ? error.inside(inside) : error, { node, compiled });
  }
}

async function measure(session: Session, test: MeasuredTest): Promise<TestOutcome> {
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
  const passed: TestOutcome = { ...NOTHING, status: "pass", failures, isStored: storage !== null };
  const rows = () =>
    session.query(`select * from (\n${limited}\n) as failing order by 1 limit ${SAMPLE_ROWS}`);
  // A sum over no rows is null; over rows it would be a verdict that says nothing.
  if (count === null && (await rows()).rows.length === 0) return passed;
  if (typeof shouldWarn !== "boolean" || typeof shouldError !== "boolean" || !Number.isFinite(failures))
    throw noVerdict(node);
  const isError = (severity === "error" && shouldError) || (test.warnError === true && shouldWarn);
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

function testError(
  error: unknown,
  { node, compiled }: Pick<MeasuredTest, "node" | "compiled">,
): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  if (node.generic?.type === "equality" && /same number of result columns/.test(error.message))
    return columnsDiffer(node, error);
  const reported = sqlProjectError("TEST_SQL", error, { compiled, fallback: node.where });
  // The SQL of a project's own test stands in its file: the place alone does not say which use of it went wrong.
  if (reported.where !== node.where && node.generic !== null) reported.why.push(`used at ${node.where}`);
  return reported;
}

function columnsDiffer({ where }: TestNode, cause: SqlError): ProjectError {
  return new ProjectError("TEST_SQL", {
    message: "the two relations do not have the same columns",
    where,
    hint: "name those to compare in compare_columns, or those to leave out in exclude_columns",
    cause,
  });
}
