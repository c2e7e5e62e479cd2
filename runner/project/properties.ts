import { z } from "zod";
import {
  ACCESS,
  BATCH_SIZES,
  CONSTRAINTS,
  INCREMENTAL_STRATEGIES,
  MATERIALIZATIONS,
  SCHEMA_CHANGES,
  SEVERITIES,
} from "../graph/nodes.ts";
import { unitTestProperties } from "./unit-test-properties.ts";
import {
  DESCRIBING_KEYS,
  docs,
  exposureProperties,
  groupProperties,
  meta,
  sourceParts,
  tags,
  UNSUPPORTED_KEYS,
} from "./yaml-parts.ts";

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
  docs: docs.optional(),
  group: z.string().optional(),
  access: z.enum(ACCESS).optional(),
  ...materializationInput,
});
export type ModelConfigInput = z.output<typeof modelConfigInput>;

/** Configuration of a seed, from the same places. */
export const seedConfigInput = z.strictObject({
  schema: z.string().nullable().optional(),
  alias: z.string().nullable().optional(),
  enabled: z.boolean().optional(),
  tags: tags.optional(),
  meta: meta.optional(),
  docs: docs.optional(),
  column_types: z
    .record(
      z.string(),
      z
        .string()
        .regex(/^[A-Za-z][\w ]*(\(\s*\d+\s*(,\s*\d+\s*)?\))?[\w ]*(\[\])*$/, "expected the name of a type"),
    )
    .optional(),
  delimiter: z.string().length(1, "expected one character").optional(),
  quote_columns: z.boolean().nullable().optional(),
});
export type SeedConfigInput = z.output<typeof seedConfigInput>;

/** Configuration of a snapshot, from project.yml and YAML. */
export const snapshotConfigInput = z.strictObject({
  strategy: z.enum(["timestamp", "check"]).optional(),
  unique_key: z.union([z.string(), z.array(z.string())]).optional(),
  updated_at: z.string().optional(),
  check_cols: z.union([z.literal("all"), z.array(z.string()).min(1)]).optional(),
  hard_deletes: z.enum(["ignore", "invalidate", "new_record"]).optional(),
  invalidate_hard_deletes: z.boolean().optional(),
  dbt_valid_to_current: z.string().nullable().optional(),
  snapshot_meta_column_names: z.record(z.string(), z.string()).optional(),
  schema: z.string().nullable().optional(),
  alias: z.string().nullable().optional(),
  enabled: z.boolean().optional(),
  tags: tags.optional(),
  meta: meta.optional(),
  docs: docs.optional(),
});
export type SnapshotConfigInput = z.output<typeof snapshotConfigInput>;

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

/** `not_null`, `{accepted_values: {…}}` or `{test_name: accepted_values, …}`: the arguments are checked by the test that they are for. */
const dataTest = z.union([
  z.string(),
  z.object({ test_name: z.string() }).catchall(z.json()),
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
  quote: z.boolean().nullable().default(null),
  constraints: z.array(constraint).default([]),
  docs: docs.optional(),
  config: z.strictObject({ tags: tags.optional(), meta: meta.optional() }).default({}),
  tags: tags.default([]),
  meta: meta.default({}),
  ...tested,
});
export type ColumnInput = z.output<typeof column>;

const modelProperties = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  config: modelConfigInput.default({}),
  /** These four stand here or under `config:`. */
  docs: docs.optional(),
  group: z.string().optional(),
  access: z.enum(ACCESS).optional(),
  tags: tags.optional(),
  meta: meta.optional(),
  deprecation_date: z.json().optional(),
  latest_version: z.json().optional(),
  versions: z.json().optional(),
  columns: z.array(column).default([]),
  constraints: z.array(constraint).default([]),
  ...tested,
});
export type ModelProperties = z.output<typeof modelProperties>;

const seedProperties = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  config: seedConfigInput.default({}),
  docs: docs.optional(),
  tags: tags.optional(),
  meta: meta.optional(),
  columns: z.array(column).default([]),
  ...tested,
});
export type SeedProperties = z.output<typeof seedProperties>;

const snapshotProperties = z.strictObject({
  name: z.string(),
  /** `ref('…')` or `source('…', '…')`. */
  relation: z.string(),
  description: z.string().default(""),
  config: snapshotConfigInput.default({}),
  docs: docs.optional(),
  columns: z.array(column).default([]),
  ...tested,
});
export type SnapshotProperties = z.output<typeof snapshotProperties>;

const sourceTable = z.strictObject({
  name: z.string(),
  description: z.string().default(""),
  /** The table's or view's own name, when it differs. */
  identifier: z.string().optional(),
  ...sourceParts,
  external: z.json().optional(),
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
  /** The database, when it is another one that the profile attaches. */
  database: z.string().nullable().optional(),
  ...sourceParts,
  tags: tags.default([]),
  meta: meta.default({}),
  tables: z.array(sourceTable).default([]),
});

/** A YAML file below models/. */
export const propertiesSchema = z.strictObject({
  version: z.literal(2).optional(),
  models: z.array(modelProperties).default([]),
  seeds: z.array(seedProperties).default([]),
  snapshots: z.array(snapshotProperties).default([]),
  sources: z.array(source).default([]),
  exposures: z.array(exposureProperties).default([]),
  groups: z.array(groupProperties).default([]),
  unit_tests: z.array(unitTestProperties).default([]),
  ...DESCRIBING_KEYS,
  ...UNSUPPORTED_KEYS,
});
export type Properties = z.output<typeof propertiesSchema>;

const names = z.array(z.object({ name: z.string() }).catch({ name: "" })).catch([]);
const lists = z
  .object({
    models: z.array(z.unknown()).catch([]),
    seeds: z.array(z.unknown()).catch([]),
    snapshots: z.array(z.unknown()).catch([]),
    sources: z.array(z.unknown()).catch([]),
    groups: z.array(z.unknown()).catch([]),
  })
  .catch({ models: [], seeds: [], snapshots: [], sources: [], groups: [] });

/** What is right in a file that has mistakes, so that those of other entries show too. Places in its lists stay. */
export function rightProperties(value: unknown): Properties {
  const { models, seeds, snapshots, sources, groups } = lists.parse(value ?? {});
  const nameOf = (entry: unknown) => names.parse([entry])[0]?.name ?? "";
  return {
    ...propertiesSchema.parse({}),
    models: models.map((entry) => {
      const parsed = modelProperties.safeParse(entry);
      return parsed.success ? parsed.data : modelProperties.parse({ name: nameOf(entry) });
    }),
    seeds: seeds.map((entry) => {
      const parsed = seedProperties.safeParse(entry);
      return parsed.success ? parsed.data : seedProperties.parse({ name: nameOf(entry) });
    }),
    snapshots: z.array(snapshotProperties).safeParse(snapshots).data ?? [],
    sources: sources.map((entry) => {
      const parsed = source.safeParse(entry);
      if (parsed.success) return parsed.data;
      const tables = z.object({ tables: names }).catch({ tables: [] }).parse(entry).tables;
      return source.parse({ name: nameOf(entry), tables });
    }),
    groups: z.array(groupProperties).safeParse(groups).data ?? [],
  };
}
