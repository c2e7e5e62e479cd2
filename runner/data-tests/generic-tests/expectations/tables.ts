import { z } from "zod";
import type { Dialect } from "../../../../engines/engine.ts";
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
import { groupBy, someRows, where } from "./arguments.ts";

/** Names of columns are compared without regard to case, whatever a project transforms them to. */
const transform = z.enum(["upper", "lower"]).default("upper");
const columnList = z.strictObject({ column_list: expressions.min(1), transform });

function listed(dialect: Dialect, names: readonly string[]): string {
  const rows = names.map((name, place) => `(${place + 1}, ${dialect.literal(name)})`);
  return `(values ${rows.join(", ")}) as expected(place, column_name)`;
}

/** A claim about the names of all columns: which must not be missing, and whether others may be there. */
function columnNames(claim: { isComplete: boolean; isClosed: boolean }): GenericTestDefinition {
  return define({
    on: "model",
    arguments: columnList,
    sql: ({ dialect, relation }, { column_list }) => {
      const [expected, actual] = [
        listed(dialect, column_list),
        `(${dialect.checks.columnsOf(relation)}) as actual`,
      ];
      const without = (from: string, other: string, problem: string) =>
        `select column_name, '${problem}' as problem\nfrom ${from}\nwhere lower(column_name) not in (select lower(column_name) from ${other})`;
      return [
        ...(claim.isComplete ? [without(expected, actual, "missing")] : []),
        ...(claim.isClosed ? [without(actual, expected, "unexpected")] : []),
      ].join("\nunion all\n");
    },
  });
}

function columnCount<T extends z.ZodObject>(
  shape: T,
  holds: (count: string, args: z.output<T>) => string,
): GenericTestDefinition {
  return define({
    on: "model",
    arguments: shape,
    sql: ({ dialect, relation }, args) =>
      `select count(*) as column_count\nfrom (${dialect.checks.columnsOf(relation)}) as actual\nhaving not (${holds("count(*)", args)})`,
  });
}

/** A claim about two columns of each row. */
function columnPair<T extends z.ZodObject>(
  shape: T,
  holds: (args: z.output<T>) => string,
): GenericTestDefinition {
  return define({
    on: "model",
    arguments: shape,
    sql: ({ relation }, args) => {
      const { row_condition } = args as z.output<typeof someRows>;
      return `select *\nfrom ${relation} as subject${where(`not (${holds(args)})`, row_condition)}`;
    },
  });
}

const pair = someRows.extend({ column_A: expression, column_B: expression });
const columnsOfRow = someRows.extend({
  column_list: expressions.min(2),
  quote_columns: z.boolean().default(false),
  ignore_row_if: z
    .enum(["all_values_are_missing", "any_value_is_missing", "never"])
    .default("all_values_are_missing"),
});

/** Which rows a claim about several columns looks at. */
function notIgnored(
  columns: readonly string[],
  { ignore_row_if }: z.output<typeof columnsOfRow>,
): string | undefined {
  if (ignore_row_if === "never") return undefined;
  const filled = columns.map((column) => `${column} is not null`);
  return filled.join(ignore_row_if === "any_value_is_missing" ? " and " : " or ");
}

/** dbt_expectations' claims about tables and about several columns of a row, by their names. */
export const TABLE_EXPECTATIONS: Readonly<Record<string, GenericTestDefinition>> = {
  expect_table_row_count_to_equal: define({
    on: "model",
    arguments: someRows.extend({ value: bound, group_by: groupBy }),
    sql: ({ relation }, { value, row_condition, group_by }) =>
      `select ${leading(group_by ?? [])}count(*) as row_count\nfrom ${relation} as subject${where(row_condition)}${clause("group by", group_by ?? [])}\nhaving count(*) <> ${value}`,
  }),
  expect_table_row_count_to_equal_other_table: define({
    on: "model",
    arguments: someRows.extend({
      compare_model: expression,
      factor: z.number().default(1),
      compare_row_condition: expression.optional(),
    }),
    sql: ({ relation, resolve }, { compare_model, factor, row_condition, compare_row_condition }) =>
      `select *
from (
    select (select count(*) from ${relation} as subject${where(row_condition)}) as row_count,
        (select count(*) from ${resolve(compare_model)} as other${where(compare_row_condition)}) * ${factor} as expected_row_count
) as counts
where row_count <> expected_row_count`,
  }),
  expect_table_column_count_to_equal: columnCount(
    z.strictObject({ value: bound }),
    (count, { value }) => `${count} = ${value}`,
  ),
  expect_table_column_count_to_be_between: columnCount(
    z
      .strictObject({ min_value: bound.optional(), max_value: bound.optional() })
      .refine(needsBound, BOUND_MISSING),
    (count, bounds) => withinBounds(count, bounds, true),
  ),
  expect_table_columns_to_match_set: columnNames({ isComplete: true, isClosed: true }),
  expect_table_columns_to_contain_set: columnNames({ isComplete: true, isClosed: false }),
  expect_table_columns_to_not_contain_set: define({
    on: "model",
    arguments: columnList,
    sql: ({ dialect, relation }, { column_list }) =>
      `select column_name\nfrom (${dialect.checks.columnsOf(relation)}) as actual\nwhere lower(column_name) in (select lower(column_name) from ${listed(dialect, column_list)})`,
  }),
  expect_table_columns_to_match_ordered_list: define({
    on: "model",
    arguments: columnList,
    sql: ({ dialect, relation }, { column_list }) =>
      `select expected.column_name as expected_column, actual.column_name as actual_column\nfrom ${listed(dialect, column_list)}\nfull join (${dialect.checks.columnsOf(relation)}) as actual on actual.place = expected.place\nwhere lower(expected.column_name) is distinct from lower(actual.column_name)`,
  }),
  expect_column_to_exist: define({
    on: "column",
    arguments: z.strictObject({ column_index: z.int().optional(), transform }),
    sql: ({ dialect, relation, column }, { column_index }) => {
      const name = dialect.literal(column.slice(1, -1).replaceAll('""', '"')); // as it was before it was quoted
      const place = column_index === undefined ? "" : ` and place = ${column_index}`;
      return `select ${name} as missing_column\nwhere not exists (select 1 from (${dialect.checks.columnsOf(relation)}) as actual where lower(column_name) = lower(${name})${place})`;
    },
  }),
  expect_column_pair_values_A_to_be_greater_than_B: columnPair(
    pair.extend({ or_equal: z.boolean().default(false) }),
    ({ column_A, column_B, or_equal }) => `${column_A} >${or_equal ? "=" : ""} ${column_B}`,
  ),
  expect_column_pair_values_to_be_equal: columnPair(
    pair,
    ({ column_A, column_B }) => `${column_A} = ${column_B}`,
  ),
  expect_multicolumn_sum_to_equal: define({
    on: "model",
    arguments: someRows.extend({ column_list: expressions.min(1), sum_total: bound, group_by: groupBy }),
    sql: ({ relation }, { column_list, sum_total, row_condition, group_by }) => {
      const total = column_list.map((column) => `sum(${column})`).join(" + ");
      return `select ${leading(group_by ?? [])}${total} as total\nfrom ${relation} as subject${where(row_condition)}${clause("group by", group_by ?? [])}\nhaving not (${total} = ${sum_total})`;
    },
  }),
  expect_compound_columns_to_be_unique: define({
    on: "model",
    arguments: columnsOfRow,
    sql: ({ dialect, relation }, args) => {
      const columns = args.quote_columns ? args.column_list.map(dialect.quote) : args.column_list;
      return `select ${leading(columns)}count(*) as n_records\nfrom ${relation} as subject${where(notIgnored(columns, args), args.row_condition)}${clause("group by", columns)}\nhaving count(*) > 1`;
    },
  }),
  expect_select_column_values_to_be_unique_within_record: define({
    on: "model",
    arguments: columnsOfRow,
    sql: ({ dialect, relation }, args) => {
      const columns = args.quote_columns ? args.column_list.map(dialect.quote) : args.column_list;
      const pairs = columns.flatMap((one, place) =>
        columns.slice(place + 1).map((other) => `${one} = ${other}`),
      );
      return `select *\nfrom ${relation} as subject${where(pairs.join(" or "), notIgnored(columns, args), args.row_condition)}`;
    },
  }),
};
