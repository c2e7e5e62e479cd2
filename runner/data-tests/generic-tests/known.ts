import { COMPARISON_TESTS } from "./comparisons.ts";
import { DBT_TESTS } from "./dbt.ts";
import type { GenericTestDefinition } from "./definition.ts";
import { AGGREGATE_EXPECTATIONS } from "./expectations/aggregates.ts";
import { TABLE_EXPECTATIONS } from "./expectations/tables.ts";
import { VALUE_EXPECTATIONS } from "./expectations/values.ts";
import { ROW_TESTS } from "./rows.ts";
import { SEQUENCE_TESTS } from "./sequences.ts";
import { VALUE_TESTS } from "./values.ts";

/** dbt_expectations' tests, by their names. */
export const EXPECTATIONS: Readonly<Record<string, GenericTestDefinition>> = {
  ...VALUE_EXPECTATIONS,
  ...AGGREGATE_EXPECTATIONS,
  ...TABLE_EXPECTATIONS,
};

/** The tests that every project has, by name. */
export const GENERIC_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  ...DBT_TESTS,
  ...VALUE_TESTS,
  ...ROW_TESTS,
  ...COMPARISON_TESTS,
  ...SEQUENCE_TESTS,
  ...EXPECTATIONS,
};

/** Packages whose tests have the same names and arguments here. */
export const PACKAGES: readonly string[] = ["dbt", "dbt_utils", "dbt_expectations"];

/** Names of dbt_expectations for tests that have a shorter one. */
export const TEST_ALIASES: Readonly<Record<string, string>> = {
  expect_table_row_count_to_be_between: "row_count_between",
  expect_column_values_to_match_regex: "matches_regex",
  expect_column_values_to_be_of_type: "column_type",
};
