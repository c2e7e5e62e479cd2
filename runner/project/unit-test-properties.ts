import { z } from "zod";
import { meta, tags } from "./yaml-parts.ts";

/** Rows in the YAML, or the name of a file with them. */
const fixture = {
  rows: z
    .union([z.array(z.record(z.string(), z.unknown())), z.string()], {
      error: "expected a list of rows, or CSV or SQL as a text",
    })
    .nullable()
    .optional(),
  fixture: z.string().nullable().optional(),
  format: z.enum(["dict", "csv", "sql"]).default("dict"),
};
export type FixtureInput = z.output<z.ZodObject<typeof fixture>>;

/** An entry of `unit_tests:`. */
export const unitTestProperties = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  model: z.string().optional(),
  /** Instead of a model. */
  snapshot: z.string().optional(),
  /** `ref('…')`, `source('…', '…')` or `this`, each with its rows. */
  given: z.array(z.strictObject({ input: z.string(), ...fixture })).default([]),
  expect: z.strictObject(fixture),
  overrides: z
    .strictObject({
      macros: z.record(z.string(), z.json()).default({}),
      vars: z.record(z.string(), z.json()).default({}),
      env_vars: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
    })
    .prefault({}),
  /** Whether the table is built and its rows are compared, instead of the query's. */
  materialize: z.boolean().default(false),
  /** Whether a second build has to leave the same rows. */
  idempotent: z.boolean().default(true),
  versions: z.json().optional(),
  config: z
    .strictObject({
      enabled: z.boolean().optional(),
      tags: tags.optional(),
      meta: meta.optional(),
      static_analysis: z.json().optional(),
    })
    .default({}),
});
export type UnitTestProperties = z.output<typeof unitTestProperties>;
