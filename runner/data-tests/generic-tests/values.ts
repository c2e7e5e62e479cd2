import { z } from "zod";
import { listOf, valueSet } from "./dbt.ts";
import {
  BOUND_MISSING,
  bound,
  define,
  expression,
  type GenericTestDefinition,
  needsBound,
  noRow,
  type TestSubject,
  withinBounds,
} from "./definition.ts";

/** Claims about each value by itself. As in SQL, a null breaks none of them. */
export const VALUE_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  expression_is_true: define({
    on: "either",
    arguments: z.strictObject({ expression }),
    sql: ({ relation, column }, args) =>
      `select *\nfrom ${relation} as subject\nwhere not (${column === null ? "" : `${column} `}${args.expression})`,
    proof: ({ column }, args) => noRow(`not (${column === null ? "" : `${column} `}${args.expression})`),
  }),
  accepted_range: define({
    on: "column",
    arguments: z
      .strictObject({
        min_value: bound.optional(),
        max_value: bound.optional(),
        inclusive: z.boolean().default(true),
      })
      .refine(needsBound, BOUND_MISSING),
    sql: ({ relation, column }, { inclusive, ...bounds }) =>
      `select *\nfrom ${relation} as subject\nwhere not (${withinBounds(column, bounds, inclusive)})`,
    proof: ({ column }, { inclusive, ...bounds }) =>
      noRow(`not (${withinBounds(column, bounds, inclusive)})`),
  }),
  not_accepted_values: define({
    on: "column",
    arguments: valueSet,
    sql: ({ dialect, relation, column }, set) =>
      `select ${column}, count(*) as n_records\nfrom ${relation} as subject\nwhere ${column} in (${listOf(dialect, set)})\ngroup by ${column}`,
    proof: ({ dialect, column }, set) => noRow(`${column} in (${listOf(dialect, set)})`),
  }),
  not_empty_string: define({
    on: "column",
    arguments: z.strictObject({ trim_whitespace: z.boolean().default(true) }),
    sql: ({ dialect, relation, column }, args) =>
      `select *\nfrom ${relation} as subject\nwhere ${args.trim_whitespace ? dialect.checks.trim(column) : column} = ''`,
    proof: ({ dialect, column }, args) =>
      noRow(`${args.trim_whitespace ? dialect.checks.trim(column) : column} = ''`),
  }),
  matches_regex: define({
    on: "column",
    arguments: z.strictObject({
      regex: z.string().min(1),
      row_condition: expression.optional(),
      /** Which engines need to be told; here a pattern is always taken as it stands. */
      is_raw: z.boolean().default(false),
      flags: z
        .string()
        .regex(/^[cims]*$/, "expected some of the letters c, i, m and s")
        .default(""),
    }),
    sql: ({ dialect, relation, column }, { regex, row_condition, flags }) => {
      const only = row_condition === undefined ? "" : ` and (${row_condition})`;
      return `select *\nfrom ${relation} as subject\nwhere not ${dialect.checks.matchesRegex(column, { regex, flags })}${only}`;
    },
    proof: ({ dialect, column }, { regex, row_condition, flags }) => {
      const only = row_condition === undefined ? "" : ` and (${row_condition})`;
      return noRow(`not ${dialect.checks.matchesRegex(column, { regex, flags })}${only}`);
    },
  }),
  column_type: define({
    on: "column",
    arguments: z.strictObject({ column_type: z.union([expression, z.array(expression).min(1)]) }),
    sql: (subject, { column_type }) => otherTypeSql(subject, [column_type].flat()),
  }),
};

/** A query with one row when the column has none of these types. */
export function otherTypeSql(
  { dialect, relation, column }: TestSubject & { column: string },
  types: readonly string[],
): string {
  const known = types.map((type) => dialect.checks.typeOf(`cast(null as ${type})`)).join(", ");
  // The value of one row, or of none, has the type of the column.
  const actual = dialect.checks.typeOf(`(select ${column} from ${relation} as subject limit 1)`);
  return `select actual_type, ${dialect.literal(types.join(", "))} as expected_type\nfrom (select ${actual} as actual_type) as found\nwhere actual_type not in (${known})`;
}
