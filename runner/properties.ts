import { z } from "zod";
import {
  BATCH_SIZES,
  CONSTRAINTS,
  INCREMENTAL_STRATEGIES,
  MATERIALIZATIONS,
  SCHEMA_CHANGES,
  SEVERITIES,
} from "./nodes.ts";

/** A tag or a list of them, as dbt takes either. */
const tags = z.union([z.string().transform((tag) => [tag]), z.array(z.string())]);
const meta = z.record(z.string(), z.json());

/** One name or a list of them. */
const oneOrMore = z.union([z.string().transform((name) => [name]), z.array(z.string())], {
  error: "expected a text or a list of texts",
});

const hook = z.union(
  [
    z.string().transform((sql) => ({ sql, transaction: true })),
    z.strictObject({ sql: z.string(), transaction: z.boolean().default(true) }),
  ],
  { error: "expected SQL, or a map with sql: and transaction:" },
);
export const hooks = z.union([hook.transform((one) => [one]), z.array(hook)], {
  error: "expected SQL, or a list of statements",
});

const materializationInput = {
  incremental_strategy: z.enum(INCREMENTAL_STRATEGIES).nullable().optional(),
  unique_key: oneOrMore.nullable().optional(),
  on_schema_change: z.enum(SCHEMA_CHANGES).optional(),
  incremental_predicates: oneOrMore.nullable().optional(),
  merge_update_columns: oneOrMore.nullable().optional(),
  merge_exclude_columns: oneOrMore.nullable().optional(),
  full_refresh: z.boolean().nullable().optional(),
  event_time: z.string().nullable().optional(),
  batch_size: z.enum(BATCH_SIZES).nullable().optional(),
  lookback: z.int().min(0).optional(),
  begin: z.string().nullable().optional(),
  concurrent_batches: z.boolean().nullable().optional(),
  pre_hook: hooks.optional(),
  "pre-hook": hooks.optional(),
  post_hook: hooks.optional(),
  "post-hook": hooks.optional(),
  contract: z
    .strictObject({ enforced: z.boolean().optional(), alias_types: z.boolean().optional() })
    .optional(),
  persist_docs: z
    .strictObject({ relation: z.boolean().optional(), columns: z.boolean().optional() })
    .optional(),
};

/** Configuration of a model, from any of the places that may give it; absent keys are left to the others. */
export const modelConfigInput = z.strictObject({
  materialized: z.enum(MATERIALIZATIONS).optional(),
  schema: z.string().nullable().optional(),
  alias: z.string().nullable().optional(),
  enabled: z.boolean().optional(),
  tags: tags.optional(),
  meta: meta.optional(),
  ...materializationInput,
});
export type ModelConfigInput = z.output<typeof modelConfigInput>;

/** Configuration of a data test; the same keys inline, under `config:`, or in `{{ config(…) }}`. */
export const testConfigInput = z.strictObject({
  severity: z.string().toLowerCase().pipe(z.enum(SEVERITIES)).optional(),
  warn_if: z.string().optional(),
  error_if: z.string().optional(),
  fail_calc: z.string().optional(),
  where: z.string().nullable().optional(),
  limit: z.int().positive().nullable().optional(),
  store_failures: z.boolean().nullable().optional(),
  store_failures_as: z.enum(["table", "view", "ephemeral"]).nullable().optional(),
  schema: z.string().nullable().optional(),
  alias: z.string().nullable().optional(),
  enabled: z.boolean().optional(),
  tags: tags.optional(),
  meta: meta.optional(),
});
export type TestConfigInput = z.output<typeof testConfigInput>;
export const TEST_CONFIG_KEYS: readonly string[] = Object.keys(testConfigInput.shape);

/** `not_null`, or `{accepted_values: {…}}`: the arguments are checked by the test that they are for. */
const dataTest = z.union([
  z.string(),
  z
    .record(z.string(), z.record(z.string(), z.json()).nullable())
    .refine((entry) => Object.keys(entry).length === 1, {
      message: "expected one test's name and its arguments",
    }),
]);
export type DataTestInput = z.output<typeof dataTest>;

const tested = { data_tests: z.array(dataTest).default([]), tests: z.array(dataTest).default([]) };

const constraint = z.strictObject({
  type: z.enum(CONSTRAINTS),
  name: z.string().optional(),
  expression: z.string().optional(),
  to: z.string().optional(),
  to_columns: z.array(z.string()).optional(),
  columns: z.array(z.string()).optional(),
  warn_unenforced: z.boolean().optional(),
  warn_unsupported: z.boolean().optional(),
});

const column = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  data_type: z.string().nullable().default(null),
  constraints: z.array(constraint).default([]),
  tags: tags.default([]),
  meta: meta.default({}),
  ...tested,
});
export type ColumnInput = z.output<typeof column>;

const modelProperties = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  config: modelConfigInput.default({}),
  columns: z.array(column).default([]),
  constraints: z.array(constraint).default([]),
  ...tested,
});
export type ModelProperties = z.output<typeof modelProperties>;

const sourceTable = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  config: z.strictObject({ event_time: z.string().nullable().optional() }).default({}),
  /** The table's or view's own name, when it differs. */
  identifier: z.string().optional(),
  tags: tags.default([]),
  meta: meta.default({}),
  columns: z.array(column).default([]),
  ...tested,
});

const source = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  /** The schema it lies in, when it differs from the name. */
  schema: z.string().optional(),
  tags: tags.default([]),
  meta: meta.default({}),
  tables: z.array(sourceTable).default([]),
});

/** A YAML file below models/. */
export const propertiesSchema = z.strictObject({
  version: z.literal(2).optional(),
  models: z.array(modelProperties).default([]),
  sources: z.array(source).default([]),
});
export type Properties = z.output<typeof propertiesSchema>;

const names = z.array(z.object({ name: z.string() }).catch({ name: "" })).catch([]);
const lists = z
  .object({ models: z.array(z.unknown()).catch([]), sources: z.array(z.unknown()).catch([]) })
  .catch({ models: [], sources: [] });

/** What is right in a file that has mistakes, so that those of other entries show too. Places in its lists stay. */
export function rightProperties(value: unknown): Properties {
  const { models, sources } = lists.parse(value ?? {});
  const nameOf = (entry: unknown) => names.parse([entry])[0]?.name ?? "";
  return {
    models: models.map((entry) => {
      const parsed = modelProperties.safeParse(entry);
      return parsed.success ? parsed.data : modelProperties.parse({ name: nameOf(entry) });
    }),
    sources: sources.map((entry) => {
      const parsed = source.safeParse(entry);
      if (parsed.success) return parsed.data;
      const tables = z.object({ tables: names }).catch({ tables: [] }).parse(entry).tables;
      return source.parse({ name: nameOf(entry), tables });
    }),
  };
}
