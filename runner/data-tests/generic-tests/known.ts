import { DBT_TESTS } from "./dbt.ts";
import type { GenericTestDefinition } from "./definition.ts";
import { ROW_TESTS } from "./rows.ts";
import { SEQUENCE_TESTS } from "./sequences.ts";
import { VALUE_TESTS } from "./values.ts";

/** The tests that every project has, by name. */
export const GENERIC_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  ...DBT_TESTS,
  ...VALUE_TESTS,
  ...ROW_TESTS,
  ...SEQUENCE_TESTS,
};

/** Packages whose tests have the same names and arguments here. */
export const PACKAGES: readonly string[] = ["dbt", "dbt_utils", "dbt_expectations"];

/** Names of dbt_expectations for tests that have a shorter one. */
export const TEST_ALIASES: Readonly<Record<string, string>> = {
  expect_table_row_count_to_be_between: "row_count_between",
  expect_column_values_to_match_regex: "matches_regex",
  expect_column_values_to_be_of_type: "column_type",
  expect_column_values_to_be_unique: "unique",
  expect_column_values_to_not_be_null: "not_null",
};
