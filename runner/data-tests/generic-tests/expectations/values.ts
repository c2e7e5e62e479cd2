import { z } from "zod";
import type { Dialect } from "../../../../engines/engine.ts";
import {
  bound,
  define,
  expression,
  expressions,
  type GenericTestDefinition,
  leading,
  noRow,
  withinBounds,
} from "../definition.ts";
import { otherTypeSql } from "../values.ts";
import { groupBy, rowRange, setOf, someRows, valueSet, where } from "./arguments.ts";

type RowArguments = z.output<typeof someRows>;

/** A claim about each value: the condition under which a row breaks it. */
function eachValue<T extends z.ZodObject>(
  shape: T,
  breaks: (on: { dialect: Dialect; column: string }, args: z.output<T>) => string,
): GenericTestDefinition {
  const conditionOf = (on: { dialect: Dialect; column: string }, args: z.output<T>) => {
    const { row_condition } = args as RowArguments;
    return row_condition === undefined ? breaks(on, args) : `(${breaks(on, args)}) and (${row_condition})`;
  };
  return define({
    on: "column",
    arguments: shape,
    sql: (subject, args) =>
      `select *\nfrom ${subject.relation} as subject\nwhere ${conditionOf(subject, args)}`,
    proof: (subject, args) => noRow(conditionOf(subject, args)),
  });
}

const regexFlags = {
  is_raw: z.boolean().default(false),
  flags: z
    .string()
    .regex(/^[cims]*$/, "expected some of the letters c, i, m and s")
    .default(""),
};
const one = someRows.extend({ regex: z.string().min(1), ...regexFlags });
const matchOn = z.enum(["any", "all"]).default("any");
const many = someRows.extend({ regex_list: z.array(z.string()).min(1), match_on: matchOn, ...regexFlags });
const like = someRows.extend({ like_pattern: z.string() });
const likes = someRows.extend({ like_pattern_list: z.array(z.string()).min(1), match_on: matchOn });

function joined(conditions: readonly string[], match: "any" | "all"): string {
  return `(${conditions.join(match === "all" ? " and " : " or ")})`;
}

function matches(
  { dialect, column }: { dialect: Dialect; column: string },
  args: z.output<typeof many>,
): string {
  const { regex_list, match_on, flags } = args;
  const conditions = regex_list.map((regex) => dialect.checks.matchesRegex(column, { regex, flags }));
  return joined(conditions, match_on);
}

function isLike(
  { dialect, column }: { dialect: Dialect; column: string },
  args: z.output<typeof likes>,
): string {
  const { like_pattern_list, match_on } = args;
  return joined(
    like_pattern_list.map((pattern) => `${column} like ${dialect.literal(pattern)}`),
    match_on,
  );
}

/** A claim about each value and the one before it. */
function inOrder(operator: ">" | "<"): GenericTestDefinition {
  return define({
    on: "column",
    arguments: someRows.extend({
      sort_column: expression.optional(),
      strictly: z.boolean().default(true),
      group_by: groupBy,
      step: z.number().optional(),
    }),
    sql: ({ relation, column }, { sort_column, strictly, row_condition, group_by, step }) => {
      const partition = group_by?.length ? `partition by ${group_by.join(", ")} ` : "";
      const window = `over (${partition}order by ${sort_column ?? column})`;
      const holds =
        step === undefined
          ? `value_field ${operator}${strictly ? "" : "="} previous_value`
          : `value_field = previous_value ${operator === ">" ? "+" : "-"} ${step}`;
      return `select *
from (
    select ${leading(group_by ?? [])}${sort_column ?? column} as sort_value, ${column} as value_field, lag(${column}) ${window} as previous_value
    from ${relation} as subject${where(row_condition)}
) as followed
where not (${holds})`;
    },
  });
}

/** dbt_expectations' claims about each value, by their names. A null breaks none of them but those about sets. */
export const VALUE_EXPECTATIONS: Readonly<Record<string, GenericTestDefinition>> = {
  expect_column_values_to_not_be_null: eachValue(someRows, ({ column }) => `${column} is null`),
  expect_column_values_to_be_null: eachValue(someRows, ({ column }) => `${column} is not null`),
  expect_column_values_to_be_unique: define({
    on: "column",
    arguments: someRows,
    sql: ({ relation, column }, { row_condition }) =>
      `select ${column}, count(*) as n_records\nfrom ${relation} as subject${where(`${column} is not null`, row_condition)}\ngroup by ${column}\nhaving count(*) > 1`,
  }),
  expect_column_values_to_be_between: eachValue(
    rowRange,
    ({ column }, { strictly, row_condition: _, ...bounds }) =>
      `not (${withinBounds(column, bounds, !strictly)})`,
  ),
  expect_column_values_to_be_in_set: eachValue(
    valueSet,
    ({ dialect, column }, set) => `not coalesce(${column} in (${setOf(dialect, set)}), false)`,
  ),
  expect_column_values_to_not_be_in_set: eachValue(
    valueSet,
    ({ dialect, column }, set) => `${column} in (${setOf(dialect, set)})`,
  ),
  expect_column_value_lengths_to_be_between: eachValue(
    rowRange,
    ({ column }, { strictly, row_condition: _, ...bounds }) =>
      `not (${withinBounds(`length(${column})`, bounds, !strictly)})`,
  ),
  expect_column_value_lengths_to_equal: eachValue(
    someRows.extend({ value: bound }),
    ({ column }, { value }) => `not (length(${column}) = ${value})`,
  ),
  expect_column_values_to_not_match_regex: eachValue(one, (on, { regex, ...args }) =>
    matches(on, { ...args, regex_list: [regex], match_on: "any" }),
  ),
  expect_column_values_to_match_regex_list: eachValue(many, (on, args) => `not ${matches(on, args)}`),
  expect_column_values_to_not_match_regex_list: eachValue(many, matches),
  expect_column_values_to_match_like_pattern: eachValue(
    like,
    (on, { like_pattern }) => `not ${isLike(on, { like_pattern_list: [like_pattern], match_on: "any" })}`,
  ),
  expect_column_values_to_not_match_like_pattern: eachValue(like, (on, { like_pattern }) =>
    isLike(on, { like_pattern_list: [like_pattern], match_on: "any" }),
  ),
  expect_column_values_to_match_like_pattern_list: eachValue(likes, (on, args) => `not ${isLike(on, args)}`),
  expect_column_values_to_not_match_like_pattern_list: eachValue(likes, isLike),
  expect_column_values_to_be_in_type_list: define({
    on: "column",
    arguments: z.strictObject({ column_type_list: expressions.min(1) }),
    sql: (subject, { column_type_list }) => otherTypeSql(subject, column_type_list),
  }),
  expect_column_values_to_be_increasing: inOrder(">"),
  expect_column_values_to_be_decreasing: inOrder("<"),
};
