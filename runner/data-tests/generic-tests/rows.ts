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
  equal_rowcount: define({
    on: "model",
    arguments: grouped.extend({ compare_model: expression }),
    failCalc: "coalesce(sum(diff_count), 0)",
    sql: ({ relation, resolve }, { compare_model, group_by_columns }) => {
      const side = (name: string, from: string, [ours, theirs]: [number, number]) =>
        `select ${leading(group_by_columns)}${ours} as in_subject, ${theirs} as in_other from ${from} as ${name}`;
      return `select ${leading(group_by_columns)}sum(in_subject) as count_a, sum(in_other) as count_b, abs(sum(in_subject) - sum(in_other)) as diff_count
from (
    ${side("subject", relation, [1, 0])}
    union all
    ${side("other", resolve(compare_model), [0, 1])}
) as both_sides${clause("group by", group_by_columns)}
having sum(in_subject) <> sum(in_other)`;
    },
  }),
  cardinality_equality: define({
    on: "column",
    arguments: z.strictObject({ to: expression, field: expression }),
    sql: ({ dialect, relation, column, resolve }, { to, field }) =>
      `select value, sum(in_subject) as num_rows, sum(in_other) as num_rows_in_other
from (
    select ${column} as value, 1 as in_subject, 0 as in_other from ${relation} as subject
    union all
    select ${dialect.quote(field)} as value, 0 as in_subject, 1 as in_other from ${resolve(to)} as other
) as both_sides
group by value
having sum(in_subject) <> sum(in_other)`,
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
};
