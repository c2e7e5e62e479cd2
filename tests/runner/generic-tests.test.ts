import { describe, expect, test } from "vitest";
import type { TestResult } from "../../runner/build/results.ts";
import { createProject, mistakesIn, openWarehouse } from "./project.ts";

/** A model `m` with one test on column `a`, or on the whole of it; `other` is there to compare with. */
function projectWith({ rows, on, declared }: { rows: string; on: string; declared: string }) {
  const tests =
    on === "model" ? `data_tests: [${declared}]` : `columns: [{name: a, data_tests: [${declared}]}]`;
  return {
    "models/m.sql": `{{ config(materialized='table') }}${rows}`,
    "models/other.sql": "select * from (values (1, 'x'), (2, 'x'), (3, 'y')) as t(a, b)",
    "models/m.yml": `models: [{name: m, ${tests}}]`,
  };
}

async function check(rows: string, on: string, declared: string): Promise<TestResult | undefined> {
  const warehouse = await openWarehouse(createProject(projectWith({ rows, on, declared })));
  await warehouse.build();
  return (await warehouse.check())[0];
}

const values = (rows: string, columns = "a") => `select * from (values ${rows}) as t(${columns})`;
const NONE = `${values("(1, 1, 1)", "a, b, c")} where false`;
const NO_TEXT = `${values("('x')")} where false`;

describe("on rows that hold, rows that break it, nulls and no rows", () => {
  test.each<[on: string, declared: string, rows: string, failures: number]>([
    [
      "model",
      "{dbt_utils.unique_combination_of_columns: {combination_of_columns: [a, b]}}",
      values("(1, 1), (1, 2)", "a, b"),
      0,
    ],
    [
      "model",
      "{unique_combination_of_columns: {combination_of_columns: [a, b]}}",
      values("(1, 1), (1, 1), (2, null), (2, null)", "a, b"),
      2,
    ],
    [
      "model",
      "{unique_combination_of_columns: {combination_of_columns: [a, order], quote_columns: true}}",
      values("(1, 1), (1, 1)", 'a, "order"'),
      1,
    ],
    ["model", "{unique_combination_of_columns: {combination_of_columns: [a]}}", NONE, 0],

    ["model", "{dbt_utils.expression_is_true: {expression: a < b}}", values("(1, 2)", "a, b"), 0],
    ["model", "{expression_is_true: {expression: a < b}}", values("(1, 2), (2, 1), (null, 1)", "a, b"), 1],
    ["column", "{expression_is_true: {expression: '> 1'}}", values("(1), (2), (null)"), 1],
    [
      "column",
      "{expression_is_true: {expression: '> 1', where: a > 1, fail_calc: max(a)}}",
      values("(1), (2)"),
      0,
    ],
    ["model", "{expression_is_true: {expression: 1 = 0}}", NONE, 0],

    ["column", "{dbt_utils.accepted_range: {min_value: 1, max_value: 3}}", values("(1), (3), (null)"), 0],
    ["column", "{accepted_range: {min_value: 1, max_value: 3}}", values("(0), (3.5), (null)"), 2],
    ["column", "{accepted_range: {min_value: 1, inclusive: false}}", values("(1), (2)"), 1],
    ["column", "{accepted_range: {max_value: b * 2}}", values("(4, 2), (5, 2)", "a, b"), 1],
    ["column", "{accepted_range: {min_value: 0}}", NONE, 0],

    ["column", "dbt_utils.not_empty_string", values("('x'), (null)"), 0],
    ["column", "not_empty_string", values("(''), (' '), (e'\\n\\t'), ('x ')"), 3],
    ["column", "{not_empty_string: {trim_whitespace: false}}", values("(''), (' ')"), 1],
    ["column", "not_empty_string", NO_TEXT, 0],

    [
      "model",
      "{dbt_utils.recency: {field: a, datepart: day, interval: 1}}",
      "select current_timestamp as a union all select timestamp '1999-01-01'",
      0,
    ],
    [
      "model",
      "{recency: {field: a, datepart: DAY, interval: 1}}",
      "select current_timestamp - interval 25 hour as a",
      1,
    ],
    ["model", "{recency: {field: a, datepart: hour, interval: 1}}", "select cast(null as timestamp) as a", 1],
    [
      "model",
      "{recency: {field: a, datepart: year, interval: 1}}",
      "select current_date as a where false",
      1,
    ],
    [
      "model",
      "{recency: {field: a, datepart: day, interval: 0, ignore_time_component: true}}",
      "select cast(current_timestamp at time zone 'UTC' as date) as a",
      0,
    ],
    [
      "model",
      "{recency: {field: a, datepart: day, interval: 1, group_by_columns: [b]}}",
      values("(now(), 1), (timestamptz '1999-01-01', 2), (null, 3)", "a, b"),
      2,
    ],

    ["model", "{row_count_between: {min_value: 1, max_value: 2}}", values("(1), (null)"), 0],
    ["model", "{dbt_expectations.expect_table_row_count_to_be_between: {min_value: 2}}", values("(null)"), 1],
    ["model", "{row_count_between: {min_value: 1}}", NONE, 1],
    ["model", "{row_count_between: {max_value: 1, strictly: true}}", values("(1)"), 1],
    ["model", "{row_count_between: {max_value: 1, row_condition: a > 1}}", values("(1), (2)"), 0],
    ["model", "{row_count_between: {min_value: 2, group_by: [a]}}", values("(1), (1), (2), (null)"), 2],

    ["model", "{dbt_utils.equal_rowcount: {compare_model: ref('other')}}", values("(1), (2), (null)"), 0],
    ["model", "{equal_rowcount: {compare_model: ref('other')}}", values("(1)"), 2],
    ["model", "{equal_rowcount: {compare_model: ref('other')}}", NONE, 3],
    [
      "model",
      "{equal_rowcount: {compare_model: ref('other'), group_by_columns: [b]}}",
      values("('x'), ('x'), (null)", "b"),
      2,
    ],
    [
      "model",
      "{equal_rowcount: {compare_model: ref('other'), error_if: '> 5', warn_if: '> 5'}}",
      values("(1)"),
      0,
    ],

    ["column", "{dbt_utils.cardinality_equality: {to: ref('other'), field: a}}", values("(3), (2), (1)"), 0],
    ["column", "{cardinality_equality: {to: ref('other'), field: a}}", values("(1), (1), (2), (null)"), 3],
    ["column", "{cardinality_equality: {to: ref('other'), field: a}}", NONE, 3],

    [
      "model",
      "{dbt_utils.equality: {compare_model: ref('other')}}",
      values("('y', 3), ('x', 2), ('x', 1)", "b, a"),
      0,
    ],
    ["model", "{equality: {compare_model: ref('other')}}", values("(1, 'x'), (2, 'x')", "a, b"), 2],
    ["model", "{equality: {compare_model: ref('other')}}", values("(1, 'x'), (2, 'x'), (3, 'z')", "a, b"), 2],
    [
      "model",
      "{equality: {compare_model: ref('other'), compare_columns: [a]}}",
      values("(1, 5), (2, 5), (3, 6)", "a, c"),
      0,
    ],
    [
      "model",
      "{equality: {compare_model: ref('other'), compare_columns: [b]}}",
      values("('x'), ('z')", "b"),
      2,
    ],
    [
      "model",
      "{equality: {compare_model: ref('other'), exclude_columns: [B]}}",
      values("(1, 5), (2, 5), (3, 6)", "a, b"),
      0,
    ],
    [
      "model",
      "{equality: {compare_model: ref('other'), precision: 1}}",
      values("(1.04, 'x'), (2.0, 'x'), (2.96, 'y')", "a, b"),
      3 * 2,
    ],
    [
      "model",
      "{equality: {compare_model: ref('m'), precision: 1}}",
      values("(1.04, 'x'), (null, null)", "a, b"),
      0,
    ],
    ["model", "{equality: {compare_model: ref('other')}}", "select 1 as a, 'x' as b where false", 6],

    ["model", "{dbt_utils.fewer_rows_than: {compare_model: ref('other')}}", values("(1), (2)"), 0],
    ["model", "{fewer_rows_than: {compare_model: ref('other')}}", values("(1), (2), (3)"), 1],
    ["model", "{fewer_rows_than: {compare_model: ref('other')}}", values("(1), (2), (3), (4), (null)"), 2],
    ["model", "{fewer_rows_than: {compare_model: ref('other')}}", NONE, 0],
    [
      "model",
      "{fewer_rows_than: {compare_model: ref('other'), group_by_columns: [b]}}",
      values("('x'), ('y'), ('z')", "b"),
      2,
    ],

    [
      "column",
      "{dbt_utils.relationships_where: {to: ref('other'), field: a}}",
      values("(1), (null), (3)"),
      0,
    ],
    [
      "column",
      "{relationships_where: {to: ref('other'), field: a, to_condition: b = 'x'}}",
      values("(1), (3)"),
      1,
    ],
    [
      "column",
      "{relationships_where: {to: ref('other'), field: a, from_condition: b > 1}}",
      values("(9, 1), (2, 5)", "a, b"),
      0,
    ],
    [
      "column",
      "{relationships_where: {to: ref('other'), field: a, from_condition: b > 1}}",
      values("(9, 2), (8, 5)", "a, b"),
      2,
    ],

    ["column", "{dbt_utils.not_accepted_values: {values: [x, y]}}", values("('a'), (null)"), 0],
    ["column", "{not_accepted_values: {values: [1, 2], quote: false}}", values("(1), (1), (2), (3)"), 2],

    ["column", "{dbt_utils.not_null_proportion: {at_least: 0.5}}", values("(1), (null)"), 0],
    ["column", "{not_null_proportion: {at_least: 0.6}}", values("(1), (null)"), 1],
    ["column", "{not_null_proportion: {at_least: 0.1, at_most: 0.9}}", values("(1)"), 1],
    [
      "column",
      "{not_null_proportion: {at_least: 0.5, group_by_columns: [b]}}",
      values("(1, 1), (null, 2), (null, 3)", "a, b"),
      2,
    ],
    ["column", "{not_null_proportion: {at_least: 0.5}}", NONE, 0],

    ["column", "dbt_utils.at_least_one", values("(null), (1)"), 0],
    ["column", "at_least_one", "select cast(null as integer) as a", 1],
    ["column", "at_least_one", NONE, 1],
    [
      "column",
      "{at_least_one: {group_by_columns: [b]}}",
      values("(1, 'x'), (null, 'y'), (null, null)", "a, b"),
      2,
    ],

    ["column", "dbt_utils.not_constant", values("(1), (2)"), 0],
    ["column", "not_constant", values("(1), (1), (null)"), 1],
    ["column", "not_constant", NONE, 0],
    ["column", "{not_constant: {group_by_columns: [b]}}", values("(1, 1), (2, 1), (1, 2)", "a, b"), 1],

    ["column", "dbt_utils.sequential_values", values("(3), (1), (2), (null)"), 0],
    ["column", "sequential_values", values("(1), (3), (3)"), 2],
    ["column", "{sequential_values: {interval: 10}}", values("(10), (20), (25)"), 1],
    ["column", "{sequential_values: {group_by_columns: [b]}}", values("(1, 1), (2, 1), (7, 2)", "a, b"), 0],
    [
      "column",
      "{sequential_values: {interval: 1, datepart: month}}",
      values("(date '2026-01-01'), (date '2026-02-01'), (date '2026-02-15')"),
      1,
    ],
    ["column", "sequential_values", NONE, 0],

    ["column", "{matches_regex: {regex: '^[a-z]+$'}}", values("('ab'), (null)"), 0],
    ["column", "{matches_regex: {regex: '^[a-z]+$'}}", values("('ab'), ('AB'), ('')"), 2],
    ["column", "{matches_regex: {regex: '^[a-z]+$', flags: i}}", values("('ab'), ('AB')"), 0],
    ["column", '{matches_regex: {regex: "it\'s"}}', values("('it''s'), ('its')"), 1],
    ["column", "{matches_regex: {regex: '^\\d+$', row_condition: a > 9}}", values("(-1), (10)"), 0],
    [
      "column",
      "{dbt_expectations.expect_column_values_to_match_regex: {regex: x, is_raw: true}}",
      values("('y')"),
      1,
    ],
    ["column", "{matches_regex: {regex: x}}", NO_TEXT, 0],

    ["column", "{column_type: {column_type: INT}}", values("(1), (null)"), 0],
    ["column", "{column_type: {column_type: 'decimal(10, 2)'}}", NONE, 1],
    [
      "column",
      "{dbt_expectations.expect_column_values_to_be_of_type: {column_type: timestamptz}}",
      "select current_timestamp as a where false",
      0,
    ],
    ["column", "{column_type: {column_type: [date, text]}}", values("(null), ('x')"), 0],
    ["column", "{column_type: {column_type: varchar}}", "select null as a", 1],
  ])("%s: %s on %s gives %i", async (on, declared, rows, failures) => {
    const result = await check(rows, on, declared);
    expect(result?.error).toBe(null);
    expect(result).toMatchObject({ status: failures === 0 ? "pass" : "fail" });
    if (!declared.includes("warn_if")) expect(result?.failures).toBe(failures);
  });
});

const RANGES = "from_day, to_day";
const range = (options = "") =>
  `{dbt_utils.mutually_exclusive_ranges: {lower_bound_column: from_day, upper_bound_column: to_day${options}}}`;

describe("ranges", () => {
  test.each<[options: string, rows: string, failures: number]>([
    ["", "(1, 3), (3, 5), (7, 9)", 0],
    ["", "(1, 4), (3, 5)", 1],
    ["", "(1, 2), (5, 4)", 1],
    ["", "(1, null), (3, 5)", 1],
    ["", "(null, 2)", 1],
    ["", "(1, 1)", 1],
    [", zero_length_range_allowed: true", "(1, 1), (1, 2)", 0],
    [", gaps: not_allowed", "(1, 3), (3, 5)", 0],
    [", gaps: not_allowed", "(1, 3), (4, 5)", 1],
    [", gaps: required", "(1, 3), (4, 5)", 0],
    [", gaps: required", "(1, 3), (3, 5)", 1],
    [", partition_by: from_day % 2", "(1, 9), (2, 9)", 0],
    [", upper_bound_column: 'coalesce(to_day, 99)'", "(1, 2), (3, null)", 0],
  ])("with%s: %s give %i", async (options, rows, failures) => {
    const declared = options.includes("upper_bound_column")
      ? range().replace("to_day", "'coalesce(to_day, 99)'")
      : range(options);
    const result = await check(values(rows, RANGES), "model", declared);
    expect(result).toMatchObject({ error: null, failures, status: failures === 0 ? "pass" : "fail" });
  });

  test("of an empty table hold", async () => {
    const result = await check(`${values("(1, 2)", RANGES)} where false`, "model", range());
    expect(result).toMatchObject({ status: "pass", failures: 0 });
  });
});

test.each([
  ["column", "{matches_regex: {regex: '['}}", values("('x')"), "missing ]"],
  ["column", "{matches_regex: {regex: '['}}", NO_TEXT, "missing ]"],
  ["column", "{column_type: {column_type: nmbr}}", NONE, "nmbr"],
  ["column", "{cardinality_equality: {to: ref('other'), field: nope}}", NONE, "nope"],
  ["column", "{accepted_range: {min_value: nope}}", NONE, "nope"],
  ["column", "not_empty_string", "select [1] as a", "regexp_replace"],
  ["model", "{equality: {compare_model: ref('other')}}", values("(1)"), "do not have the same columns"],
  ["column", "{sequential_values: {datepart: day}}", values("('x'), ('y')"), "timestamp"],
  ["model", "{recency: {field: nope, datepart: day, interval: 1}}", NONE, "nope"],
  ["model", "{unique_combination_of_columns: {combination_of_columns: [nope]}}", NONE, "nope"],
])("on a %s: %s on %s cannot be run", async (on, declared, rows, message) => {
  const result = await check(rows, on, declared);
  expect(result).toMatchObject({ status: "error", failures: null });
  expect(result?.error?.message).toContain(message);
  expect(result?.error?.where).toMatch(/^models\/m\.yml:1:\d+$/);
});

test.each([
  ["column", "accepted_range", "TEST_ARGUMENTS", "expected min_value, max_value or both"],
  ["model", "{row_count_between: {}}", "TEST_ARGUMENTS", "expected min_value, max_value or both"],
  [
    "column",
    "{accepted_range: {min_value: [1]}}",
    "TEST_ARGUMENTS",
    '"min_value" of test "accepted_range" is wrong',
  ],
  ["column", "{accepted_range: {min: 1, max_value: 2}}", "TEST_ARGUMENTS", 'unknown argument "min"'],
  ["model", "expression_is_true", "TEST_ARGUMENTS", 'needs the argument "expression"'],
  [
    "model",
    "{unique_combination_of_columns: {combination_of_columns: []}}",
    "TEST_ARGUMENTS",
    '"combination_of_columns" of test "unique_combination_of_columns" is wrong',
  ],
  [
    "column",
    "{unique_combination_of_columns: {combination_of_columns: [a]}}",
    "TEST_NEEDS_MODEL",
    "belongs to a whole model",
  ],
  ["model", "not_empty_string", "TEST_NEEDS_COLUMN", "belongs under a column"],
  [
    "model",
    "{recency: {field: a, datepart: fortnight, interval: 1}}",
    "TEST_ARGUMENTS",
    '"datepart" of test "recency" is wrong',
  ],
  ["model", "{equal_rowcount: {compare_model: ref('othr')}}", "REF_UNKNOWN", 'unknown model "othr"'],
  ["model", "{equal_rowcount: {compare_model: other}}", "REF_ARGUMENTS", '"other" names no relation'],
  ["model", range(", gaps: some"), "TEST_ARGUMENTS", '"gaps" of test "mutually_exclusive_ranges" is wrong'],
  ["column", "{matches_regex: {regex: x, flags: q}}", "TEST_ARGUMENTS", "letters c, i, m and s"],
  ["column", "dbt_utils.not_nul", "TEST_UNKNOWN", 'unknown test "dbt_utils.not_nul"'],
  ["column", "elementary.volume", "TEST_UNKNOWN", 'unknown package "elementary" of test "volume"'],
  [
    "column",
    "{accepted_range: {min_value: \"{{ var('least') }}\"}}",
    "VAR_MISSING",
    'variable "least" has no value',
  ],
  ["column", "{accepted_range: {min_value: var('least')}}", "TEST_ARGUMENTS", "is a template"],
  ["column", "column_type", "TEST_ARGUMENTS", 'needs the argument "column_type"'],
  ["column", "{column_type: {column_type: ' '}}", "TEST_ARGUMENTS", "expected SQL"],
])("on a %s: %s is a mistake", (on, declared, code, message) => {
  const [mistake, ...others] = mistakesIn(projectWith({ rows: NONE, on, declared }));
  expect(others).toEqual([]);
  expect(mistake).toMatchObject({ code, where: expect.stringMatching(/^models\/m\.yml:1:\d+$/) });
  expect(mistake?.message).toContain(message);
  expect(mistake?.hint).toBeTruthy();
});

test("a test of a model may name its column", async () => {
  const result = await check(values("(1), (null)"), "model", "{not_null: {column_name: a}}");
  expect(result).toMatchObject({ failures: 1, node: { name: "not_null_m_a" } });
});

test("a test of a package has dbt's name", () => {
  const project = createProject({
    "models/m.sql": "select 1 as a",
    "models/m.yml":
      "models: [{name: m, columns: [{name: a, tests: [{dbt_utils.accepted_range: {min_value: 0}}]}]}]\nsources: [{name: s, tables: [{name: t, columns: [{name: a, tests: [dbt_utils.at_least_one]}]}]}]",
  });
  expect(project.test("dbt_utils_accepted_range_m_a__0").generic).toMatchObject({
    type: "accepted_range",
    namespace: "dbt_utils",
  });
  expect(project.test("dbt_utils_source_at_least_one_s_t_a").name).toBe(
    "dbt_utils_source_at_least_one_s_t_a",
  );
});

test("relations with other columns cannot be compared, and it says how to", async () => {
  const result = await check(
    values("(1, 2, 3)", "a, b, c"),
    "model",
    "{equality: {compare_model: ref('other')}}",
  );
  expect(result).toMatchObject({
    status: "error",
    error: {
      code: "TEST_SQL",
      where: "models/m.yml:1:33",
      message: "the two relations do not have the same columns",
      hint: "name those to compare in compare_columns, or those to leave out in exclude_columns",
    },
  });
});
