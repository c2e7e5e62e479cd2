import { describe, expect, test } from "vitest";
import type { TestResult } from "../../runner/build/results.ts";
import { measureTest } from "../../runner/data-tests/measure.ts";
import { compileNodes } from "../../runner/graph/compile.ts";
import { testsOf } from "../../runner/graph/nodes.ts";
import { createProject, openWarehouse } from "./project.ts";

/** Every data test that may be answered without its own query, on a column of numbers `n` and one of texts `t`. */
const ON_COLUMNS = {
  n: [
    "not_null",
    "unique",
    "{accepted_values: {values: [1, 2, 3]}}",
    "{accepted_values: {name: raw_values, values: [1, 2, 3], quote: false}}",
    "{accepted_range: {min_value: 0, max_value: 5}}",
    "{accepted_range: {name: open_range, min_value: -9, inclusive: false, where: n > 1}}",
    "{expression_is_true: {expression: '> 1'}}",
    "{relationships: {to: ref('parents'), field: n}}",
    "{relationships: {name: itself, to: ref('m'), field: n}}",
    "{relationships: {name: to_text, to: ref('parents'), field: t}}",
    "at_least_one",
    "not_constant",
    "{not_null: {name: some_nulls, warn_if: '> 1', error_if: '> 3'}}",
    "{not_null: {name: odd_condition, warn_if: 'between 0 and 2', error_if: '> 2'}}",
    "{not_null: {name: none_is_wrong, warn_if: '= 0', error_if: '= 0'}}",
    "{not_null: {name: as_warning, severity: warn}}",
    "{not_null: {name: up_to_one, limit: 1}}",
    "{unique: {name: summed, fail_calc: sum(n_records)}}",
    "{unique: {name: some_unique, where: n > 0}}",
    "{not_null: {name: wrong_where, where: nowhere = 1}}",
  ],
  t: [
    "{not_null: {name: t_not_null}}",
    "{unique: {name: t_unique}}",
    "not_empty_string",
    "{not_empty_string: {name: blank, trim_whitespace: false}}",
    "{matches_regex: {regex: '^[a-c]', flags: i}}",
    "{matches_regex: {name: only_some, regex: '^[a-c]', row_condition: n > 1}}",
    "{accepted_values: {name: t_values, values: [a, b, c]}}",
    "{accepted_values: {name: t_wrong, values: [1], quote: false}}",
    "{accepted_range: {name: wrong_type, min_value: 1}}",
    "{expression_is_true: {name: t_same, expression: '= t'}}",
    "{relationships: {name: t_parents, to: ref('parents'), field: t}}",
    "{at_least_one: {name: t_any}}",
    "{not_constant: {name: t_varies}}",
  ],
};

const ON_MODEL = [
  "{row_count_between: {min_value: 1, max_value: 20}}",
  "{row_count_between: {name: grouped, min_value: 1, max_value: 2, group_by: [t]}}",
  "{row_count_between: {name: by_parents, min_value: (select count(*) from parents)}}",
  "{expression_is_true: {expression: n * 2 >= n}}",
  "{expression_is_true: {name: commented, expression: n >= 0 -- why}}",
  "{expression_is_true: {name: closes, expression: 'n >= 0)) , count(*) filter (where (n > 3'}}",
  "{expression_is_true: {name: aggregate, expression: count(*) > 0}}",
  "{expression_is_true: {name: nowhere, expression: nowhere > 0}}",
  "{unique_combination_of_columns: {combination_of_columns: [n, t]}}",
];

function projectWith(rows: string, materialized: string) {
  const columns = Object.entries(ON_COLUMNS).map(
    ([name, tests]) => `{name: ${name}, data_tests: [${tests.join(", ")}]}`,
  );
  return createProject({
    "models/m.sql": `{{ config(materialized='${materialized}') }}${rows}`,
    "models/parents.sql": `{{ config(materialized='table') }}select * from (values (1, 'a'), (2, 'b'), (3, null), (null, 'd')) as v(n, t)`,
    "models/m.yml": `models: [{name: m, columns: [${columns.join(", ")}], data_tests: [${ON_MODEL.join(", ")}]}]`,
  });
}

const comparable = ({ node, status, failures, sample, isStored, error, reason }: TestResult) => [
  node.name,
  { status, failures, sample, isStored, error: error?.message, where: error?.where, reason },
];

/** The results of all tests as the runner gives them, and each by its own query. */
async function bothWays(project: ReturnType<typeof createProject>) {
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const together = await warehouse.check();
  const scope = project.scope();
  const compiled = compileNodes(project.ctx, scope, testsOf(scope.graph));
  const apart = [];
  for (const result of together) {
    const query = compiled.get(result.node.id);
    if (query === undefined) throw new Error(`${result.node.id} was not compiled`);
    const of = { node: result.node, compiled: query, dialect: warehouse.engine, storage: null };
    apart.push({ ...result, ...(await measureTest(project.ctx, warehouse.session, of)) });
  }
  return {
    together: Object.fromEntries(together.map(comparable)),
    apart: Object.fromEntries(apart.map(comparable)),
  };
}

const random = (rows: number, number: string, text: string) =>
  `select ${number} as n, ${text} as t from (select hash(i) as h, hash(i + 1000) as g from range(${rows}) as r(i))`;
const SOME_NULL = "case when h % 7 = 0 then null else h % 9 end";
const LETTERS = "case when g % 11 = 0 then null else chr(cast(95 + g % 8 as integer)) end";

/** The rows that are asked of a view as well, whose size is not known. */
const VIEWED = [
  "numbers with nulls and duplicates",
  "no row",
  "rows that hold",
  "NaN, infinity and both zeros",
];

describe("tests that are answered together give what they give apart", () => {
  test.each<[string, string]>([
    ["numbers with nulls and duplicates", random(40, `cast(${SOME_NULL} as integer)`, LETTERS)],
    ["a few rows", random(3, `cast(${SOME_NULL} as bigint)`, "' '")],
    ["no row", `${random(9, "1", "'x'")} where false`],
    ["nulls alone", random(9, "cast(null as integer)", "cast(null as varchar)")],
    ["rows that hold", "select i as n, 'a' as t from (values (1), (2), (3)) as v(i)"],
    ["doubles", random(40, `cast(${SOME_NULL} as double) / 2`, LETTERS)],
    [
      "NaN, infinity and both zeros",
      "select cast(n as double) as n, 'a' as t from (values ('nan'), ('nan'), ('inf'), ('0'), ('-0'), (null)) as v(n)",
    ],
    ["one NaN", "select cast('nan' as double) as n, 'a' as t"],
    ["decimals", random(40, `cast(${SOME_NULL} as decimal(9, 2)) - 1.5`, LETTERS)],
    ["texts of digits", random(40, `cast(${SOME_NULL} as varchar)`, LETTERS)],
    ["texts that are no numbers", random(4, "'x'", LETTERS)],
    ["dates", random(9, "date '2026-01-01' + cast(h % 4 as integer)", LETTERS)],
    ["lists", random(9, "[h % 3, null]", LETTERS)],
    ["truth values", random(9, "h % 2 = 0", LETTERS)],
    ["hugeints", random(9, "cast(h as hugeint) * 100000000", LETTERS)],
  ])("%s", async (name, rows) => {
    for (const materialized of VIEWED.includes(name) ? ["table", "view"] : ["table"]) {
      const { together, apart } = await bothWays(projectWith(rows, materialized));
      expect(together).toEqual(apart);
      expect(Object.keys(apart)).toHaveLength(ON_MODEL.length + ON_COLUMNS.n.length + ON_COLUMNS.t.length);
    }
  });
});

describe("keys of large tables", () => {
  const ROWS = 120_000;
  const withKeys = (child: string, parent: string, materialized = "table") =>
    createProject({
      "models/c.sql": `{{ config(materialized='table') }}${child}`,
      "models/p.sql": `{{ config(materialized='${materialized}') }}${parent}`,
      "models/y.yml":
        "models: [{name: c, columns: [{name: k, data_tests: [not_null, unique, {relationships: {to: ref('p'), field: k}}]}]}, {name: p, columns: [{name: k, data_tests: [unique, not_null]}]}]",
    });
  const keys = (sql: string, rows = ROWS) => `select ${sql} as k from range(${rows}) as r(i)`;

  test.each<[string, string, string, ("pass" | "fail")[]]>([
    ["dense", keys("i"), keys("i"), ["pass", "pass", "pass"]],
    ["negative, small", keys("cast(i - 60000 as integer)"), keys("i - 60000"), ["pass", "pass", "pass"]],
    ["with gaps", keys("i * 3"), keys("i * 3"), ["pass", "pass", "pass"]],
    ["far apart", keys("i * 1000003"), keys("i * 1000003"), ["pass", "pass", "pass"]],
    ["unsigned", keys("cast(i as ubigint)"), keys("cast(i as utinyint)", 200), ["pass", "pass", "fail"]],
    [
      "huge",
      keys("cast(i as hugeint) + 170141183460469231731687303715800000000"),
      keys("i"),
      ["pass", "pass", "fail"],
    ],
    ["twice", keys("i // 2"), keys("i"), ["pass", "fail", "pass"]],
    ["some null", keys("case when i % 5 <> 0 then i end"), keys("i"), ["fail", "pass", "pass"]],
    ["all null", keys("cast(null as integer)"), keys("i"), ["fail", "pass", "pass"]],
    [
      "a gap in the parent",
      keys("i"),
      keys("case when i = 777 then null else i end"),
      ["pass", "pass", "fail"],
    ],
    ["one below the parent", keys("i - 1"), keys("i"), ["pass", "pass", "fail"]],
    ["one above the parent", keys("i + 1"), keys("i"), ["pass", "pass", "fail"]],
    ["duplicates in the parent", keys("i % 5"), keys("i % 5", 50), ["pass", "fail", "pass"]],
    ["an empty parent", keys("i"), `${keys("i")} where false`, ["pass", "pass", "fail"]],
    ["texts", keys("cast(i as varchar)"), keys("cast(i as varchar)"), ["pass", "pass", "pass"]],
    ["doubles", keys("i / 2"), keys("i"), ["pass", "pass", "fail"]],
  ])("%s", async (_, child, parent, statuses) => {
    const { together, apart } = await bothWays(withKeys(child, parent));
    expect(together).toEqual(apart);
    const ofChild = ["not_null_c_k", "unique_c_k", "relationships_c_k__k__ref_p_"];
    expect(ofChild.map((name) => together[name]?.status)).toEqual(statuses);
  });

  test("of a view", async () => {
    const { together, apart } = await bothWays(withKeys(keys("i"), keys("i"), "view"));
    expect(together).toEqual(apart);
  });
});

test("a project's own not_null is asked as it is written", async () => {
  const project = createProject({
    "models/m.sql": "{{ config(materialized='table') }}select 1 as a, 2 as b",
    "models/m.yml":
      "models: [{name: m, columns: [{name: a, data_tests: [not_null, unique]}, {name: b, data_tests: [not_null]}]}]",
    "tests/generic/not_null.sql": "select 'own' as said, {{ column_name }} from {{ model }}",
  });
  const { together, apart } = await bothWays(project);
  expect(together).toEqual(apart);
  expect(together).toMatchObject({
    not_null_m_a: { status: "fail", sample: { rows: [["own", 1]] } },
    unique_m_a: { status: "pass" },
    not_null_m_b: { status: "fail", sample: { rows: [["own", 2]] } },
  });
});
