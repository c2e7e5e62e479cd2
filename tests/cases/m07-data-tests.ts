import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { inPairs, runCommand } from "./command.ts";
import type { Files } from "./folders.ts";

type Status = "pass" | "fail" | "error" | "skipped";

interface Situation {
  what: string;
  files?: Files;
  /** What somebody does to the warehouse before the tests run. */
  damage?: string;
  /** Instead of `run test`. */
  command?: string;
  exitCode?: 0 | 1;
  /** The outcome of each test by the beginning of its name; all others pass. */
  outcomes: Readonly<Record<string, Status>>;
  failures?: number;
}

const MANY_ROWS = 10_000_000;
const SHOWN_AT_MOST = 10;

const SITUATIONS: readonly Situation[] = [
  { what: "all is right", exitCode: 0, outcomes: {} },
  { what: "a missing table", damage: "drop table main.m", outcomes: { "*": "error" } },
  {
    what: "a renamed column",
    damage: "alter table main.m rename column id to key",
    outcomes: { unique_m_id: "error", not_null_m_id: "error", relationships: "error" },
  },
  {
    what: "an empty table",
    damage: "delete from main.m",
    outcomes: { at_least_one: "fail", row_count_between: "fail" },
  },
  {
    what: "null keys",
    damage: "update main.m set id = null where id < 3",
    outcomes: { not_null_m_id: "fail" },
    failures: 3,
  },
  {
    what: "keys that come twice",
    damage: "update main.m set id = 1 where id < 3",
    outcomes: { unique_m_id: "fail" },
  },
  {
    what: "a test with an error in its SQL",
    files: { "tests/data/t.sql": "selct 1 from {{ ref('m') }}" },
    outcomes: { t: "error" },
  },
  {
    what: "a test that returns 10 million rows",
    files: { "tests/data/t.sql": `select range as a from range(${MANY_ROWS})` },
    outcomes: { t: "fail" },
    failures: MANY_ROWS,
  },
  {
    what: "a test on a model that was skipped",
    files: {
      "models/first.sql": "{{ config(materialized='table') }}select error('no') as id",
      "models/m.sql": "select id, id as a from {{ ref('first') }}",
    },
    command: "build",
    outcomes: { "*": "skipped" },
  },
  {
    what: "a test whose verdict is no number",
    files: { "tests/data/t.sql": "{{ config(fail_calc='max(a)') }}select null as a from {{ ref('m') }}" },
    outcomes: { t: "error" },
  },
  {
    what: "a relationship to a table that is gone",
    damage: "drop table main.parent",
    outcomes: { relationships: "error" },
  },
  {
    what: "a value that breaks the test while it runs",
    files: { "tests/data/t.sql": "select 1 from {{ ref('m') }} where cast(a as integer) > 5" },
    damage: "update main.m set a = 'x' where id = 7",
    outcomes: { t: "error" },
  },
];

const BASE: Files = {
  "models/parent.sql": "{{ config(materialized='table') }}select range as id from range(10)",
  "models/m.sql":
    "{{ config(materialized='table') }}select range as id, cast(range as varchar) as a from range(10)",
  "models/m.yml": `models:
  - name: m
    data_tests:
      - row_count_between: {min_value: 1}
    columns:
      - name: id
        data_tests:
          - unique
          - not_null
          - relationships: {to: ref('parent'), field: id}
      - name: a
        data_tests: [at_least_one]
`,
};

interface TestAnswer {
  name: string;
  status: string;
  failures: number | null;
  failing_rows: unknown[];
  error: unknown;
  reason: string | null;
}

/** M-07: data tests do not lie. */
export const dataTestsDoNotLie: Case = {
  id: "M-07",
  run: async ({ projects }: Ground): Promise<Report> => {
    const { stdout: help } = await runCommand(["--help"], { cwd: projects.make({}) });
    const canBuild = /^ {2}build\b/m.test(help);
    const failures: string[] = [];
    const notRun: string[] = [];
    let falsePasses = 0;
    let wrong = 0;
    let tried = 0;
    await inPairs(SITUATIONS, async (situation) => {
      if (situation.command === "build" && !canBuild) {
        notRun.push(`${situation.what} (there is no run build)`);
        return;
      }
      tried++;
      const { lies, found } = await trySituation(situation, projects);
      falsePasses += lies;
      if (found.length > 0) wrong++;
      failures.push(...found.map((text) => `${situation.what}: ${text}`));
    });
    return {
      figures: [
        { name: "situations", value: tried },
        none("false_passes", falsePasses),
        none("wrong_outcome", wrong),
      ],
      failures,
      notRun,
    };
  },
};

async function trySituation(
  { files = {}, damage, command = "test", exitCode = 1, outcomes, failures }: Situation,
  projects: Ground["projects"],
): Promise<{ lies: number; found: string[] }> {
  const cwd = projects.make({ ...BASE, ...files });
  if (command === "test") {
    const built = await runCommand(["models", "--quiet"], { cwd });
    if (built.exitCode !== 0) throw new Error(built.stderr);
  }
  if (damage !== undefined) await damageWarehouse(join(cwd, "data/warehouse.duckdb"), damage);
  const ended = await runCommand([command, "--json", "--quiet"], { cwd });
  const { tests } = JSON.parse(ended.stdout) as { tests: TestAnswer[] };
  const found: string[] = ended.exitCode === exitCode ? [] : [`exit ${ended.exitCode}`];
  let lies = exitCode !== 0 && ended.exitCode === 0 ? 1 : 0;
  if (tests.length < 5) found.push(`${tests.length} tests were told of`);
  for (const test of tests) {
    const wanted = Object.entries(outcomes).find(([name]) => name === "*" || isOf(test, name))?.[1] ?? "pass";
    if (test.status === wanted) found.push(...wrongRows(test, failures));
    else
      found.push(
        `${test.name} is ${test.status}, not ${wanted}: ${JSON.stringify(test.error ?? test.reason)}`,
      );
    if (test.status === "pass" && wanted !== "pass") lies++;
  }
  return { lies, found };
}

function isOf({ name }: TestAnswer, wanted: string): boolean {
  return wanted === "t" ? name === "t" : name.startsWith(wanted);
}

/** Of a failed test its rows are counted and some are kept; of one that could not run there are none, and a reason. */
function wrongRows(
  { name, status, failures: count, failing_rows, error, reason }: TestAnswer,
  expected?: number,
) {
  if (status === "fail") {
    return [
      ...(expected === undefined || count === expected ? [] : [`${name} counts ${count} rows`]),
      ...(failing_rows.length > 0 && failing_rows.length <= SHOWN_AT_MOST
        ? []
        : [`${name} keeps ${failing_rows.length} rows`]),
    ];
  }
  const isSilent = status !== "pass" && error === null && (reason ?? "") === "";
  return isSilent ? [`${name} does not say why it is ${status}`] : [];
}

async function damageWarehouse(file: string, sql: string): Promise<void> {
  const instance = await DuckDBInstance.create(file);
  const connection = await instance.connect();
  await connection.run(sql);
  connection.closeSync();
  instance.closeSync();
}
