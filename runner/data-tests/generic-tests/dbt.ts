import { z } from "zod";
import type { Dialect } from "../../../engines/engine.ts";
import { define, type GenericTestDefinition, noRow } from "./definition.ts";

const scalar = z.union([z.string(), z.number(), z.boolean()]);
export const valueSet = z.strictObject({ values: z.array(scalar).min(1), quote: z.boolean().default(true) });

/** dbt's four, by their names and arguments. */
export const DBT_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  not_null: define({
    on: "column",
    arguments: z.strictObject({}),
    sql: ({ relation, column }) => `select *\nfrom ${relation} as subject\nwhere ${column} is null`,
    proof: ({ column }) => ({ count: `count(*) - count(${column})`, isKnown: true }),
  }),
  unique: define({
    on: "column",
    arguments: z.strictObject({}),
    sql: ({ relation, column }) =>
      `select ${column}, count(*) as n_records\nfrom ${relation} as subject\nwhere ${column} is not null\ngroup by ${column}\nhaving count(*) > 1`,
    proof: ({ column }) => ({ count: `count(${column}) - count(distinct ${column})`, keys: { column } }),
  }),
  accepted_values: define({
    on: "column",
    arguments: valueSet,
    sql: ({ dialect, relation, column }, args) =>
      `select ${column}, count(*) as n_records\nfrom ${relation} as subject\nwhere ${notIn(dialect, column, args)}\ngroup by ${column}`,
    proof: ({ dialect, column }, args) => noRow(notIn(dialect, column, args)),
  }),
  relationships: define({
    on: "column",
    arguments: z.strictObject({ to: z.string(), field: z.string() }),
    sql: ({ dialect, relation, column, resolve }, { to, field }) =>
      `select child.*\nfrom ${relation} as child\nleft join ${resolve(to)} as parent on parent.${dialect.quote(field)} = child.${column}\nwhere child.${column} is not null and parent.${dialect.quote(field)} is null`,
    proof: ({ dialect, column, resolve }, { to, field }) => ({
      keys: { column, within: { relation: resolve(to), column: dialect.quote(field) } },
    }),
  }),
};

function notIn(dialect: Dialect, column: string, set: z.output<typeof valueSet>): string {
  return `${column} not in (${listOf(dialect, set)})`;
}

/** The values in SQL, with commas between them. */
export function listOf(dialect: Dialect, { values, quote }: z.output<typeof valueSet>): string {
  return values.map((value) => (quote ? dialect.literal(String(value)) : String(value))).join(", ");
}
