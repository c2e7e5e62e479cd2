import type { Context } from "../../core/context.ts";
import { type Dialect, type Session, SqlError } from "../../engines/engine.ts";
import { isTestResult, type NodeResult, type TestResult } from "../build/results.ts";
import type { Graph, ModelNode, SeedNode, SnapshotNode } from "../graph/nodes.ts";

/** What tests, and one look at what they did not look at, say of a table's rows. */
export interface TableQuality {
  /** Of the model, seed or snapshot. */
  id: string;
  name: string;
  rows: number;
  /** Share of nulls, by column. */
  missing: Readonly<Record<string, number>>;
  /** Share of the rows that repeat a value, by the column that is to be unique. */
  duplicates: Readonly<Record<string, number>>;
  /** Age of the newest row, where the model has an event_time. */
  ageSeconds: number | null;
}

type TableNode = ModelNode | SeedNode | SnapshotNode;
interface Asked {
  node: TableNode;
  tests: TestResult[];
  /** Names of columns whose nulls no test has counted. */
  uncounted: string[];
  /** Names of columns of which a test found repeated values. */
  repeated: string[];
}

/**
 * The quality of the tables that were tested just now. Verdicts of not_null and unique tests are used as they are; what
 * no test counts is asked in one statement for all tables, which reads no more than where nulls are. Views and tables
 * whose tests were not run are left out, as is a table that cannot be asked.
 */
export async function measureQuality(
  ctx: Context,
  session: Session,
  { dialect, graph, results }: { dialect: Dialect; graph: Graph; results: readonly NodeResult[] },
): Promise<TableQuality[]> {
  const asked: Asked[] = [];
  for (const [id, tests] of testsByTable(results)) {
    const node = graph.nodes.get(id);
    if (node === undefined || !isTable(node)) continue;
    const columns = await columnsOf(session, node);
    if (columns.length > 0) asked.push(whatToAsk(node, tests, columns));
  }
  const now = ctx.clock.now().getTime();
  const found = await ask(session, dialect, asked);
  return asked.flatMap((one, place) => {
    const numbers = found[place];
    return numbers === undefined ? [] : [qualityOf(one, numbers, now)];
  });
}

function testsByTable(results: readonly NodeResult[]): Map<string, TestResult[]> {
  const tables = new Map<string, TestResult[]>();
  for (const result of results) {
    if (!isTestResult(result) || result.isReused || result.failures === null) continue;
    const id = result.node.generic?.attachedTo;
    if (id !== undefined) tables.set(id, [...(tables.get(id) ?? []), result]);
  }
  return tables;
}

function isTable(node: { kind: string }): node is TableNode {
  if (node.kind === "seed" || node.kind === "snapshot") return true;
  if (node.kind !== "model") return false;
  const { materialized } = (node as ModelNode).config; // of this kind
  return materialized === "table" || materialized === "incremental";
}

async function columnsOf(session: Session, { relation }: TableNode): Promise<string[]> {
  return (await session.columnsOf(relation)).map(({ name }) => name);
}

function whatToAsk(node: TableNode, tests: TestResult[], columns: readonly string[]): Asked {
  const counted = new Set(tests.filter((test) => isPlain(test, "not_null")).map(columnOf));
  const repeated = tests
    .filter((test) => isPlain(test, "unique") && test.failures !== 0)
    .map(columnOf)
    .filter((name) => columns.includes(name));
  return { node, tests, uncounted: columns.filter((name) => !counted.has(name)), repeated };
}

/** Whether the test's number of failures is about all rows of the table. */
function isPlain({ node }: TestResult, type: string): boolean {
  const { generic, config } = node;
  const isWhole = config.where === null && config.limit === null && config.fail_calc === "count(*)";
  return generic?.type === type && generic.columnName !== null && isWhole;
}

function columnOf({ node }: TestResult): string {
  return node.generic?.columnName ?? "";
}

/** The numbers of each table, in the order of `sqlOf`; undefined where it could not be asked. */
async function ask(
  session: Session,
  dialect: Dialect,
  asked: readonly Asked[],
): Promise<(number[] | undefined)[]> {
  if (asked.length === 0) return [];
  const sql = asked.map((one, place) => `select ${place}, ${sqlOf(dialect, one)}`).join("\nunion all\n");
  try {
    const { rows } = await session.query(sql);
    const found = new Map(rows.map(([place, list]) => [Number(place), Array.isArray(list) ? list : []]));
    return asked.map((_, place) => found.get(place)?.map((value) => Number(value ?? Number.NaN)));
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    if (asked.length === 1) return [undefined];
    const middle = asked.length >> 1;
    const first = await ask(session, dialect, asked.slice(0, middle));
    return [...first, ...(await ask(session, dialect, asked.slice(middle)))];
  }
}

/** Rows, the newest time, values that are not null by uncounted column, and repeated values' shares. */
function sqlOf(dialect: Dialect, { node, uncounted, repeated }: Asked): string {
  const eventTime = node.kind === "model" ? node.config.event_time : null;
  const values = [
    "cast(count(*) as double)",
    eventTime === null ? "cast(null as double)" : `cast(${dialect.epochMs(`max(${eventTime})`)} as double)`,
    ...uncounted.map((name) => `cast(count(${dialect.quote(name)}) as double)`),
    ...repeated.map((name) => {
      const column = dialect.quote(name);
      return `1.0 - cast(count(distinct ${column}) as double) / count(${column})`;
    }),
  ];
  return `[${values.join(", ")}] from ${dialect.nameOf(node.relation)} as subject`;
}

function qualityOf(
  { node, tests, uncounted, repeated }: Asked,
  numbers: number[],
  now: number,
): TableQuality {
  const [rows = 0, newestMs = Number.NaN, ...more] = numbers;
  const share = (count: number) => (rows === 0 ? 0 : count / rows);
  const missing = new Map(uncounted.map((name, place) => [name, share(rows - (more[place] ?? 0))]));
  for (const test of tests)
    if (isPlain(test, "not_null")) missing.set(columnOf(test), share(test.failures ?? 0));
  const duplicates = new Map<string, number>();
  for (const test of tests) if (isPlain(test, "unique")) duplicates.set(columnOf(test), 0);
  for (const [place, name] of repeated.entries()) duplicates.set(name, more[uncounted.length + place] ?? 0);
  return {
    id: node.id,
    name: node.name,
    rows,
    missing: Object.fromEntries([...missing].sort(([a], [b]) => (a < b ? -1 : 1))),
    duplicates: Object.fromEntries(duplicates),
    ageSeconds: Number.isNaN(newestMs) ? null : Math.max(0, (now - newestMs) / 1000),
  };
}
