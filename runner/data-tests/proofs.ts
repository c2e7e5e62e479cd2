import { projectErrorsOf } from "../../core/errors.ts";
import { type Dialect, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import type { CompiledNode } from "../graph/compile.ts";
import type { Graph, TestNode } from "../graph/nodes.ts";
import { storageOf } from "./failure-tables.ts";

/** What decides how a test is best answered. */
export interface ProofScope {
  graph: Graph;
  compiled: ReadonlyMap<string, CompiledNode>;
  storeFailures?: boolean;
  /** About how many rows the tables hold, by `relationKey`; a view is not among them. */
  rowEstimates: ReadonlyMap<string, number>;
}

/** Up to here starting a statement costs more than reading the rows; above, filters of the plain query skip them. */
const SMALL_ROWS = 100_000;

/** An answer about some tests of one relation: as many numbers as tests, each 0 when the test's query has no rows. */
export interface Branch {
  tests: TestNode[];
  sql: string;
  /** Whether it costs next to nothing, so that many go into one statement. */
  isSmall: boolean;
}

/** The tests that can be shown to hold together with others, by what they read. */
export function branchesOf(scope: ProofScope, tests: readonly TestNode[]): Branch[] {
  const byRelation = new Map<string, { test: TestNode; count: string }[]>();
  const branches: Branch[] = [];
  for (const test of tests) {
    if (!isProvable(scope, test)) continue;
    const { relation = "", sql } = test.generic ?? {};
    const count = countFor(scope, test);
    if (count !== undefined) {
      const same = byRelation.get(relation);
      if (same === undefined) byRelation.set(relation, [{ test, count }]);
      else same.push({ test, count });
    } else if (test.dependsOn.every((id) => sizeOf(scope, id) === "small")) {
      branches.push({
        tests: [test],
        sql: `[count(*)] from (\n${String(sql)}\n) as data_test`,
        isSmall: true,
      });
    }
  }
  for (const [relation, counted] of byRelation) {
    const counts = counted.map(({ count }) => count).join(",\n");
    const isSmall = counted.every(({ test }) => sizeOf(scope, subjectOf(test)) === "small");
    branches.push({
      tests: counted.map(({ test }) => test),
      sql: `[\n${counts}\n] from ${relation} as subject`,
      isSmall,
    });
  }
  return branches;
}

/** Whether no failing rows mean that the test passed, with nothing to keep and nothing to count otherwise. */
function isProvable({ compiled, ...scope }: ProofScope, { id, generic, config }: TestNode): boolean {
  return (
    generic !== null &&
    typeof generic.sql === "string" &&
    compiled.get(id)?.sql === generic.sql && // No ephemeral model stands before it.
    config.fail_calc === "count(*)" &&
    isFalseForNone(config.warn_if) &&
    isFalseForNone(config.error_if) &&
    storageOf(config, scope.storeFailures ?? false) === null
  );
}

/** Whether a condition such as `> 10` is plain enough to be known as false for no failures. */
function isFalseForNone(condition: string): boolean {
  const [, operator = "", number = ""] = /^\s*(=|!=|<>|>=|>)\s*(\d{1,15})\s*$/.exec(condition) ?? [];
  const bound = Number(number);
  if (operator === "") return false;
  if (operator === "!=" || operator === "<>") return bound === 0;
  return operator === ">" || bound > 0;
}

function subjectOf(test: TestNode): string {
  return test.generic?.attachedTo ?? "";
}

function sizeOf({ graph, rowEstimates }: ProofScope, id: string): "small" | "large" | "unknown" {
  const node = graph.nodes.get(id);
  if (node === undefined || !("relation" in node)) return "unknown";
  const rows = rowEstimates.get(relationKey(node.relation));
  if (rows === undefined) return "unknown";
  return rows <= SMALL_ROWS ? "small" : "large";
}

/** The aggregate that is worth more than the plain query: all of small tables, of large ones what is known. */
function countFor(scope: ProofScope, test: TestNode): string | undefined {
  const { count, isKnown = false, keys } = test.generic?.proof ?? {};
  const size = sizeOf(scope, subjectOf(test));
  if (size === "small") return count;
  // Different values are counted best by themselves when they may be many.
  if (size === "unknown")
    return keys === undefined && !/count\(distinct/.test(count ?? "") ? count : undefined;
  return isKnown && test.config.where === null ? count : undefined;
}

/** The tests of which one statement shows that they hold. Whatever it cannot say is left to their own queries. */
export async function provenBy(session: Session, branches: readonly Branch[]): Promise<Set<TestNode>> {
  if (branches.length === 0) return new Set();
  const sql = branches.map((branch, index) => `select ${index}, ${branch.sql}`).join("\nunion all\n");
  try {
    const { rows } = await session.query(sql);
    const counts = new Map(rows.map(([index, list]) => [Number(index), Array.isArray(list) ? list : []]));
    return new Set(
      branches.flatMap(({ tests }, index) => {
        const list = counts.get(index) ?? [];
        if (list.length !== tests.length || rows.length !== branches.length) return [];
        return tests.filter((_, place) => String(list[place]) === "0");
      }),
    );
  } catch (error) {
    if (!isOfTests(error)) throw error;
    if (branches.length === 1) return new Set();
    // One wrong test must not send all the others to statements of their own.
    const middle = branches.length >> 1;
    const left = await provenBy(session, branches.slice(0, middle));
    return new Set([...left, ...(await provenBy(session, branches.slice(middle)))]);
  }
}

/** Whether the tests' own queries will say what is wrong: a mistake in one of them, a full disk. */
function isOfTests(error: unknown): boolean {
  return error instanceof SqlError || projectErrorsOf(error).length > 0;
}

/** Numbers of a range for each row of the column, beyond which a bit for each would cost more than sorting. */
const MAX_SPREAD = 8n;
const MAX_RANGE = 1n << 30n;

/** Shows without comparing rows that whole numbers are unique, or among those of another column. */
export async function isProvenByKeys(
  session: Session,
  dialect: Dialect,
  { scope, test }: { scope: ProofScope; test: TestNode },
): Promise<boolean> {
  const { generic, config } = test;
  const keys = generic?.proof?.keys;
  if (keys === undefined || generic === null || config.where !== null || !isProvable(scope, test))
    return false;
  const sizes = test.dependsOn.map((id) => sizeOf(scope, id));
  if (sizes.includes("unknown") || sizeOf(scope, subjectOf(test)) !== "large") return false;
  try {
    const own = await rangeOf(session, dialect, { relation: generic.relation, column: keys.column });
    if (own === undefined) return false;
    if (own.count === 0n) return true;
    if (keys.within === undefined) {
      const different = await countIntegers(session, dialect, {
        ...own,
        relation: generic.relation,
        column: keys.column,
      });
      return different === own.count;
    }
    const parent = await rangeOf(session, dialect, keys.within);
    if (parent === undefined || parent.count === 0n || own.min < parent.min || own.max > parent.max)
      return false;
    // Without a gap every number between the bounds is there.
    return (
      (await countIntegers(session, dialect, { ...parent, ...keys.within })) === parent.max - parent.min + 1n
    );
  } catch (error) {
    if (!isOfTests(error)) throw error;
    return false;
  }
}

interface ColumnOf {
  relation: string;
  column: string;
}

interface Range {
  min: bigint;
  max: bigint;
  /** Values that are not null. */
  count: bigint;
}

/** Undefined when the column holds anything but whole numbers. Engines know it of a table without reading it. */
async function rangeOf(
  session: Session,
  { checks }: Dialect,
  { relation, column }: ColumnOf,
): Promise<Range | undefined> {
  const { rows, types } = await session.query(
    `select min(${column}), max(${column}), count(${column}) from ${relation} as subject`,
  );
  if (!checks.isInteger(types[0] ?? "")) return undefined;
  const [min, max, count] = (rows[0] ?? []).map((value) => BigInt(String(value ?? 0)));
  return { min: min ?? 0n, max: max ?? 0n, count: count ?? 0n };
}

async function countIntegers(
  session: Session,
  { checks }: Dialect,
  { relation, column, min, max, count }: ColumnOf & Range,
): Promise<bigint | undefined> {
  const range = max - min + 1n;
  if (range < count || range > MAX_RANGE || range > count * MAX_SPREAD) return undefined;
  const { rows } = await session.query(
    `select ${checks.countIntegers(column, { min, max })} from ${relation} as subject`,
  );
  return BigInt(String(rows[0]?.[0] ?? -1));
}
