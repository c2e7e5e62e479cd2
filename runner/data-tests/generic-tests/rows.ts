import { z } from "zod";
import {
  BOUND_MISSING,
  bound,
  clause,
  define,
  expression,
  expressions,
  type GenericTestDefinition,
  leading,
  needsBound,
  notMet,
  onlyRows,
  withinBounds,
} from "./definition.ts";

const grouped = z.strictObject({ group_by_columns: expressions.default([]) });

/** Claims about how many rows, groups and values there are. */
export const ROW_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  unique_combination_of_columns: define({
    on: "model",
    arguments: z.strictObject({
      combination_of_columns: expressions.min(1),
      quote_columns: z.boolean().default(false),
    }),
    sql: ({ dialect, relation }, { combination_of_columns, quote_columns }) => {
      const columns = quote_columns ? combination_of_columns.map(dialect.quote) : combination_of_columns;
      return `select ${leading(columns)}count(*) as n_records\nfrom ${relation} as subject${clause("group by", columns)}\nhaving count(*) > 1`;
    },
  }),
  row_count_between: define({
    on: "model",
    arguments: z
      .strictObject({
        min_value: bound.optional(),
        max_value: bound.optional(),
        group_by: expressions.default([]),
        row_condition: expression.optional(),
        strictly: z.boolean().default(false),
      })
      .refine(needsBound, BOUND_MISSING),
    sql: ({ relation }, { group_by, row_condition, strictly, ...bounds }) =>
      `select ${leading(group_by)}count(*) as row_count\nfrom ${relation} as subject${onlyRows(row_condition)}${clause("group by", group_by)}\nhaving not (${withinBounds("count(*)", bounds, !strictly)})`,
    proof: (_, { group_by, row_condition, strictly, ...bounds }) => {
      if (group_by.length > 0 || row_condition !== undefined) return undefined;
      return notMet(`not (${withinBounds("count(*)", bounds, !strictly)})`, true);
    },
  }),
  at_least_one: define({
    on: "column",
    arguments: grouped,
    sql: ({ relation, column }, { group_by_columns }) =>
      `select ${leading(group_by_columns)}count(*) as row_count\nfrom ${relation} as subject${clause("group by", group_by_columns)}\nhaving count(${column}) = 0`,
    proof: ({ column }, { group_by_columns }) =>
      group_by_columns.length > 0 ? undefined : notMet(`count(${column}) = 0`, true),
  }),
  not_constant: define({
    on: "column",
    arguments: grouped,
    sql: ({ relation, column }, { group_by_columns }) =>
      `select ${leading(group_by_columns)}min(${column}) as only_value, count(*) as row_count\nfrom ${relation} as subject${clause("group by", group_by_columns)}\nhaving count(distinct ${column}) = 1`,
    proof: ({ column }, { group_by_columns }) =>
      group_by_columns.length > 0 ? undefined : notMet(`count(distinct ${column}) = 1`),
  }),
  not_null_proportion: define({
    on: "column",
    arguments: grouped.extend({ at_least: bound, at_most: bound.default(1) }),
    sql: ({ relation, column }, { at_least, at_most, group_by_columns }) => {
      const proportion = `count(${column}) / cast(count(*) as double)`;
      return `select ${leading(group_by_columns)}${proportion} as not_null_proportion\nfrom ${relation} as subject${clause("group by", group_by_columns)}\nhaving count(*) > 0 and not (${withinBounds(proportion, { min_value: at_least, max_value: at_most }, true)})`;
    },
  }),
};
