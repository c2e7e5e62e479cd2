import { expect, test } from "vitest";
import { createProject, openWarehouse } from "./project.ts";

const values = (rows: string, columns = "a") => `select * from (values ${rows}) as t(${columns})`;
const PAIRS = values("(1, 2), (2, 2), (null, 1)", "a, b");

test.each<[on: "a" | "model", declared: string, rows: string, failures: number]>([
  ["a", "expect_column_values_to_not_be_null", values("(1), (null)"), 1],
  [
    "a",
    "{expect_column_values_to_not_be_null: {row_condition: b = 1}}",
    values("(1, 1), (null, 2)", "a, b"),
    0,
  ],
  ["a", "expect_column_values_to_be_null", values("(1), (null), (2)"), 2],
  ["a", "expect_column_values_to_be_unique", values("(1), (1), (null), (null)"), 1],
  ["a", "{expect_column_values_to_be_unique: {row_condition: b = 1}}", values("(1, 1), (1, 2)", "a, b"), 0],
  [
    "a",
    "{expect_column_values_to_be_between: {min_value: 1, max_value: 3}}",
    values("(1), (3), (4), (null)"),
    1,
  ],
  ["a", "{expect_column_values_to_be_between: {min_value: 1, strictly: true}}", values("(1), (3)"), 1],
  ["a", "{expect_column_values_to_be_between: {min_value: 2, row_condition: a > 1}}", values("(1), (3)"), 0],
  ["a", "{expect_column_values_to_be_in_set: {value_set: [x, y]}}", values("('x'), ('z')"), 1],
  ["a", "{expect_column_values_to_be_in_set: {value_set: [x]}}", values("('x'), (null)"), 1],
  [
    "a",
    "{expect_column_values_to_be_in_set: {value_set: [1, 2], quote_values: false}}",
    values("(1), (2)"),
    0,
  ],
  ["a", "{expect_column_values_to_not_be_in_set: {value_set: [x]}}", values("('x'), ('y'), (null)"), 1],
  [
    "a",
    "{expect_column_value_lengths_to_be_between: {min_value: 1, max_value: 2}}",
    values("('x'), ('xyz')"),
    1,
  ],
  ["a", "{expect_column_value_lengths_to_equal: {value: 2}}", values("('xy'), ('x'), (null)"), 1],
  ["a", "{expect_column_values_to_not_match_regex: {regex: '^x'}}", values("('x'), ('y'), (null)"), 1],
  [
    "a",
    "{expect_column_values_to_match_regex_list: {regex_list: ['^x', 'y$']}}",
    values("('x'), ('ay'), ('z')"),
    1,
  ],
  [
    "a",
    "{expect_column_values_to_match_regex_list: {regex_list: ['^x', 'y$'], match_on: all}}",
    values("('xy'), ('ay')"),
    1,
  ],
  ["a", "{expect_column_values_to_not_match_regex_list: {regex_list: [x, y]}}", values("('x'), ('z')"), 1],
  ["a", "{expect_column_values_to_match_like_pattern: {like_pattern: 'x%'}}", values("('xa'), ('ax')"), 1],
  [
    "a",
    "{expect_column_values_to_not_match_like_pattern: {like_pattern: 'x%'}}",
    values("('xa'), ('ax')"),
    1,
  ],
  [
    "a",
    "{expect_column_values_to_match_like_pattern_list: {like_pattern_list: ['x%', 'y%']}}",
    values("('x'), ('z')"),
    1,
  ],
  [
    "a",
    "{expect_column_values_to_not_match_like_pattern_list: {like_pattern_list: ['x%']}}",
    values("('x'), ('z')"),
    1,
  ],
  ["a", "{expect_column_values_to_be_in_type_list: {column_type_list: [date, integer]}}", values("(1)"), 0],
  ["a", "{expect_column_values_to_be_in_type_list: {column_type_list: [date, text]}}", values("(1)"), 1],
  ["a", "expect_column_values_to_be_increasing", values("(2), (1), (2)"), 1],
  ["a", "{expect_column_values_to_be_increasing: {strictly: false}}", values("(2), (1), (2)"), 0],
  [
    "a",
    "{expect_column_values_to_be_increasing: {sort_column: b}}",
    values("(2, 1), (1, 2), (3, 3)", "a, b"),
    1,
  ],
  ["a", "{expect_column_values_to_be_increasing: {step: 2}}", values("(1), (3), (6)"), 1],
  [
    "a",
    "{expect_column_values_to_be_decreasing: {sort_column: b, group_by: [c]}}",
    values("(2, 1, 1), (1, 2, 1), (5, 3, 2)", "a, b, c"),
    0,
  ],
  ["a", "{expect_column_max_to_be_between: {max_value: 2}}", values("(1), (3)"), 1],
  ["a", "{expect_column_min_to_be_between: {min_value: 1}}", values("(1), (3)"), 0],
  ["a", "{expect_column_mean_to_be_between: {min_value: 2, strictly: true}}", values("(1), (3)"), 1],
  ["a", "{expect_column_median_to_be_between: {min_value: 2, max_value: 2}}", values("(1), (2), (9)"), 0],
  [
    "a",
    "{expect_column_sum_to_be_between: {min_value: 3, group_by: [b]}}",
    values("(1, 1), (5, 2)", "a, b"),
    1,
  ],
  ["a", "{expect_column_stdev_to_be_between: {max_value: 1}}", values("(1), (9)"), 1],
  [
    "a",
    "{expect_column_quantile_values_to_be_between: {quantile: 0.5, max_value: 2}}",
    values("(1), (3)"),
    0,
  ],
  ["a", "{expect_column_unique_value_count_to_be_between: {min_value: 2}}", values("(1), (1)"), 1],
  ["a", "{expect_column_proportion_of_unique_values_to_be_between: {min_value: 0.6}}", values("(1), (1)"), 1],
  ["a", "{expect_column_distinct_count_to_equal: {value: 2}}", values("(1), (1), (2)"), 0],
  ["a", "{expect_column_distinct_count_to_be_greater_than: {value: 2}}", values("(1), (1), (2)"), 1],
  ["a", "{expect_column_distinct_count_to_be_less_than: {value: 2}}", values("(1), (1), (2)"), 1],
  ["a", "{expect_column_distinct_values_to_be_in_set: {value_set: [x]}}", values("('x'), ('z'), ('z')"), 1],
  ["a", "{expect_column_distinct_values_to_contain_set: {value_set: [x, y]}}", values("('x'), ('z')"), 1],
  ["a", "{expect_column_distinct_values_to_equal_set: {value_set: [x, y]}}", values("('x'), ('z')"), 2],
  [
    "a",
    "{expect_column_distinct_values_to_equal_set: {value_set: [1, 2], quote_values: false}}",
    values("(1), (2)"),
    0,
  ],
  [
    "a",
    "{expect_row_values_to_have_recent_data: {datepart: day, interval: 1}}",
    "select now() - interval 1 minute as a",
    0,
  ],
  [
    "a",
    "{expect_row_values_to_have_recent_data: {datepart: day, interval: 1}}",
    "select now() - interval 2 day as a",
    1,
  ],
  [
    "a",
    "{expect_row_values_to_have_recent_data: {datepart: day, interval: 1}}",
    "select now() as a where false",
    1,
  ],
  [
    "model",
    "{expect_grouped_row_values_to_have_recent_data: {group_by: [b], timestamp_column: a, datepart: day, interval: 1}}",
    values("(now(), 1), (timestamptz '1999-01-01', 2)", "a, b"),
    1,
  ],
  ["model", "{expect_table_row_count_to_equal: {value: 2}}", values("(1)"), 1],
  [
    "model",
    "{expect_table_row_count_to_equal_other_table: {compare_model: ref('other')}}",
    values("(1), (2), (3)"),
    0,
  ],
  [
    "model",
    "{expect_table_row_count_to_equal_other_table: {compare_model: ref('other'), factor: 2}}",
    values("(1)"),
    1,
  ],
  [
    "model",
    "{expect_table_row_count_to_equal_other_table: {compare_model: ref('other'), compare_row_condition: a > 2}}",
    values("(1)"),
    0,
  ],
  ["model", "{expect_table_column_count_to_equal: {value: 2}}", PAIRS, 0],
  ["model", "{expect_table_column_count_to_equal: {value: 3}}", PAIRS, 1],
  ["model", "{expect_table_column_count_to_be_between: {min_value: 3}}", PAIRS, 1],
  ["model", "{expect_table_columns_to_match_set: {column_list: [B, a]}}", PAIRS, 0],
  ["model", "{expect_table_columns_to_match_set: {column_list: [a, c]}}", PAIRS, 2],
  ["model", "{expect_table_columns_to_contain_set: {column_list: [a, c]}}", PAIRS, 1],
  ["model", "{expect_table_columns_to_not_contain_set: {column_list: [a, c], transform: lower}}", PAIRS, 1],
  ["model", "{expect_table_columns_to_match_ordered_list: {column_list: [a, b]}}", PAIRS, 0],
  ["model", "{expect_table_columns_to_match_ordered_list: {column_list: [b, a, c]}}", PAIRS, 3],
  ["a", "expect_column_to_exist", PAIRS, 0],
  ["a", "{expect_column_to_exist: {column_index: 2}}", PAIRS, 1],
  ["a", "expect_column_to_exist", values("(1)", "z"), 1],
  ["model", "{expect_column_pair_values_A_to_be_greater_than_B: {column_A: b, column_B: a}}", PAIRS, 1],
  [
    "model",
    "{expect_column_pair_values_A_to_be_greater_than_B: {column_A: b, column_B: a, or_equal: true}}",
    PAIRS,
    0,
  ],
  ["model", "{expect_column_pair_values_to_be_equal: {column_A: a, column_B: b}}", PAIRS, 1],
  ["model", "{expect_multicolumn_sum_to_equal: {column_list: [a, b], sum_total: 8}}", PAIRS, 0],
  [
    "model",
    "{expect_compound_columns_to_be_unique: {column_list: [a, b]}}",
    values("(1, null), (1, null)", "a, b"),
    1,
  ],
  [
    "model",
    "{expect_compound_columns_to_be_unique: {column_list: [a, b], ignore_row_if: any_value_is_missing}}",
    values("(1, null), (1, null)", "a, b"),
    0,
  ],
  ["model", "{expect_select_column_values_to_be_unique_within_record: {column_list: [a, b]}}", PAIRS, 1],
])("on %s: %s on %s gives %i", async (on, declared, rows, failures) => {
  const named = `[${declared.startsWith("{") ? declared.replace("{", "{dbt_expectations.") : `dbt_expectations.${declared}`}]`;
  const tests = on === "model" ? `data_tests: ${named}` : `columns: [{name: a, data_tests: ${named}}]`;
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": `{{ config(materialized='table') }}${rows}`,
      "models/other.sql": "select * from (values (1), (2), (3)) as t(a)",
      "models/m.yml": `models: [{name: m, ${tests}}]`,
    }),
  );
  await warehouse.build();
  const [result] = await warehouse.check();
  expect(result).toMatchObject({ error: null, failures, status: failures === 0 ? "pass" : "fail" });
});

test("columns of an ephemeral model are known to claims about them", async () => {
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": "{{ config(materialized='ephemeral') }}select 1 as a",
      "models/m.yml":
        "models: [{name: m, data_tests: [{dbt_expectations.expect_table_column_count_to_equal: {value: 2}}]}]",
    }),
  );
  await warehouse.build();
  expect((await warehouse.check())[0]).toMatchObject({ error: null, failures: 1, status: "fail" });
});
