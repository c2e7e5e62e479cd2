import { z } from "zod";
import { DATE_PARTS } from "../../../../engines/engine.ts";
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
  withinBounds,
} from "../definition.ts";
import { groupBy, range, setOf, someRows, valueSet, where } from "./arguments.ts";

const grouped = range.extend({ group_by: groupBy });

/** A claim that an aggregate of a column, in every group, lies within bounds. */
function between<T extends typeof grouped>(
  aggregate: (column: string, args: z.output<T>) => string,
  shape: T = grouped as T,
): GenericTestDefinition {
  return define({
    on: "column",
    arguments: shape.refine(needsBound, BOUND_MISSING),
    sql: ({ relation, column }, args) => {
      const { row_condition, group_by, strictly, min_value, max_value } = args as z.output<typeof grouped>;
      const groups = group_by ?? [];
      const value = aggregate(column, args as z.output<T>);
      return `select ${leading(groups)}${value} as value\nfrom ${relation} as subject${where(row_condition)}${clause("group by", groups)}\nhaving not (${withinBounds(value, { min_value, max_value }, !strictly)})`;
    },
  });
}

/** A claim that compares the number of different values with one number. */
function distinctCount(operator: "=" | ">" | "<"): GenericTestDefinition {
  return define({
    on: "column",
    arguments: someRows.extend({ value: bound, quote_values: z.boolean().default(false), group_by: groupBy }),
    sql: ({ relation, column }, { value, row_condition, group_by }) => {
      const groups = group_by ?? [];
      return `select ${leading(groups)}count(distinct ${column}) as value\nfrom ${relation} as subject${where(row_condition)}${clause("group by", groups)}\nhaving not (count(distinct ${column}) ${operator} ${value})`;
    },
  });
}

/** A claim about the values of a column as a set: which of them must not be missing, and whether others may be there. */
function distinctValues(claim: { isComplete: boolean; isClosed: boolean }): GenericTestDefinition {
  return define({
    on: "column",
    arguments: valueSet,
    sql: ({ dialect, relation, column }, set) => {
      const expected = setOf(dialect, set);
      const actual = `select distinct ${column} as value_field from ${relation} as subject${where(set.row_condition)}`;
      const values = set.value_set.map(
        (value) => `select ${set.quote_values ? dialect.literal(String(value)) : value} as value_field`,
      );
      const missing = `select value_field, 'missing' as problem\nfrom (${values.join(" union all ")}) as expected\nwhere not exists (select 1 from (${actual}) as actual where actual.value_field = expected.value_field)`;
      const unexpected = `select value_field, 'unexpected' as problem\nfrom (${actual}) as actual\nwhere not coalesce(value_field in (${expected}), false)`;
      return [...(claim.isComplete ? [missing] : []), ...(claim.isClosed ? [unexpected] : [])].join(
        "\nunion all by name\n",
      );
    },
  });
}

const datepart = z.string().toLowerCase().pipe(z.enum(DATE_PARTS));
const recent = someRows.extend({ datepart, interval: z.int() });

/** dbt_expectations' claims about a column as a whole, by their names. */
export const AGGREGATE_EXPECTATIONS: Readonly<Record<string, GenericTestDefinition>> = {
  expect_column_max_to_be_between: between((column) => `max(${column})`),
  expect_column_min_to_be_between: between((column) => `min(${column})`),
  expect_column_mean_to_be_between: between((column) => `avg(${column})`),
  expect_column_median_to_be_between: between((column) => `median(${column})`),
  expect_column_sum_to_be_between: between((column) => `sum(${column})`),
  expect_column_stdev_to_be_between: between((column) => `stddev(${column})`),
  expect_column_quantile_values_to_be_between: between(
    (column, { quantile }) => `quantile_cont(${column}, ${quantile})`,
    grouped.extend({ quantile: z.number().min(0).max(1) }),
  ),
  expect_column_unique_value_count_to_be_between: between((column) => `count(distinct ${column})`),
  expect_column_proportion_of_unique_values_to_be_between: between(
    (column) => `count(distinct ${column}) / nullif(cast(count(${column}) as double), 0)`,
  ),
  expect_column_distinct_count_to_equal: distinctCount("="),
  expect_column_distinct_count_to_be_greater_than: distinctCount(">"),
  expect_column_distinct_count_to_be_less_than: distinctCount("<"),
  expect_column_distinct_values_to_be_in_set: distinctValues({ isComplete: false, isClosed: true }),
  expect_column_distinct_values_to_contain_set: distinctValues({ isComplete: true, isClosed: false }),
  expect_column_distinct_values_to_equal_set: distinctValues({ isComplete: true, isClosed: true }),
  expect_row_values_to_have_recent_data: define({
    on: "column",
    arguments: recent,
    sql: ({ dialect, relation, column }, { datepart: part, interval, row_condition }) => {
      const threshold = dialect.checks.addTime(dialect.checks.now, { count: -interval, datepart: part });
      const time = `cast(${column} as timestamp)`;
      return `select max(${time}) as max_timestamp, ${threshold} as threshold\nfrom ${relation} as subject${where(`${time} <= ${dialect.checks.now}`, row_condition)}\nhaving coalesce(max(${time}) < ${threshold}, true)`;
    },
  }),
  expect_grouped_row_values_to_have_recent_data: define({
    on: "model",
    arguments: recent.extend({ group_by: expressions.min(1), timestamp_column: expression }),
    sql: ({ dialect, relation }, { group_by, timestamp_column, datepart: part, interval, row_condition }) => {
      const threshold = dialect.checks.addTime(dialect.checks.now, { count: -interval, datepart: part });
      const time = `cast(${timestamp_column} as timestamp)`;
      return `select ${leading(group_by)}max(${time}) as max_timestamp, ${threshold} as threshold\nfrom ${relation} as subject${where(row_condition)}${clause("group by", group_by)}\nhaving coalesce(max(${time}) < ${threshold}, true)`;
    },
  }),
};
