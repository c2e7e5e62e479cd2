import { z } from "zod";
import type { Dialect } from "../engines/engine.ts";

/** What a generic test's query is made from. All names are quoted for SQL already. */
export interface TestSubject {
  dialect: Dialect;
  /** The relation, or the part of it that `where` leaves. */
  relation: string;
  /** Null when the test is declared on a whole model. */
  column: string | null;
  /** The relation that a `ref('…')` or `source('…')` argument names. */
  resolve: (argument: string) => string;
}

export interface GenericTestDefinition {
  needsColumn: boolean;
  arguments: z.ZodObject;
  /** A query for the rows that break the claim. */
  sql(subject: TestSubject, args: Record<string, unknown>): string;
}

function define<T extends z.ZodObject>(definition: {
  needsColumn: boolean;
  arguments: T;
  sql(subject: TestSubject & { column: string }, args: z.output<T>): string;
}): GenericTestDefinition {
  return definition as unknown as GenericTestDefinition; // `sql` is given what `arguments` parsed, see data-test-nodes.ts
}

const scalar = z.union([z.string(), z.number(), z.boolean()]);

/** dbt's four, by their names and arguments. */
export const GENERIC_TESTS: Readonly<Record<string, GenericTestDefinition>> = {
  not_null: define({
    needsColumn: true,
    arguments: z.strictObject({}),
    sql: ({ relation, column }) => `select *\nfrom ${relation} as subject\nwhere ${column} is null`,
  }),
  unique: define({
    needsColumn: true,
    arguments: z.strictObject({}),
    sql: ({ relation, column }) =>
      `select ${column}, count(*) as n_records\nfrom ${relation} as subject\nwhere ${column} is not null\ngroup by ${column}\nhaving count(*) > 1`,
  }),
  accepted_values: define({
    needsColumn: true,
    arguments: z.strictObject({ values: z.array(scalar).min(1), quote: z.boolean().default(true) }),
    sql: ({ dialect, relation, column }, { values, quote }) => {
      const list = values.map((value) => (quote ? dialect.literal(String(value)) : String(value))).join(", ");
      return `select ${column}, count(*) as n_records\nfrom ${relation} as subject\nwhere ${column} not in (${list})\ngroup by ${column}`;
    },
  }),
  relationships: define({
    needsColumn: true,
    arguments: z.strictObject({ to: z.string(), field: z.string() }),
    sql: ({ dialect, relation, column, resolve }, { to, field }) =>
      `select child.*\nfrom ${relation} as child\nleft join ${resolve(to)} as parent on parent.${dialect.quote(field)} = child.${column}\nwhere child.${column} is not null and parent.${dialect.quote(field)} is null`,
  }),
};
