import { z } from "zod";

/** A tag or a list of them, as dbt takes either. */
export const tags = z.union([z.string().transform((tag) => [tag]), z.array(z.string())]);
export const meta = z.record(z.string(), z.json());

export const docs = z.strictObject({
  show: z.boolean().default(true),
  node_color: z.string().nullable().default(null),
});

const age = z.strictObject({
  count: z.int().min(0),
  period: z.enum(["minute", "hour", "day"]),
});

/** How old the newest row of a source table may be. */
export const freshness = z.strictObject({
  warn_after: age.nullable().optional(),
  error_after: age.nullable().optional(),
  /** SQL condition that chooses the rows to look at. */
  filter: z.string().nullable().optional(),
});
export type FreshnessInput = z.output<typeof freshness>;

const quoting = z.strictObject({
  database: z.boolean().nullable().optional(),
  schema: z.boolean().nullable().optional(),
  identifier: z.boolean().nullable().optional(),
  column: z.boolean().nullable().optional(),
});

/** What a source and each of its tables may say, directly or under `config:`. */
const loading = {
  freshness: freshness.nullable().optional(),
  loaded_at_field: z.string().nullable().optional(),
  loaded_at_query: z.string().nullable().optional(),
};

export const sourceParts = {
  ...loading,
  loader: z.string().default(""),
  quoting: quoting.default({}),
  config: z
    .strictObject({
      ...loading,
      enabled: z.boolean().optional(),
      event_time: z.string().nullable().optional(),
      tags: tags.optional(),
      meta: meta.optional(),
    })
    .default({}),
};

const owner = z.looseObject({ name: z.string().nullable().optional(), email: z.json().optional() });

export const exposureProperties = z.strictObject({
  name: z.string(),
  type: z.enum(["dashboard", "notebook", "analysis", "ml", "application"]),
  owner,
  label: z.string().nullable().default(null),
  description: z.string().default(""),
  maturity: z.enum(["low", "medium", "high"]).nullable().default(null),
  url: z.string().nullable().default(null),
  /** `ref('…')` and `source('…', '…')`. */
  depends_on: z.array(z.string()).default([]),
  tags: tags.default([]),
  meta: meta.default({}),
  config: z
    .strictObject({ enabled: z.boolean().optional(), tags: tags.optional(), meta: meta.optional() })
    .default({}),
});
export type ExposureProperties = z.output<typeof exposureProperties>;

export const groupProperties = z.strictObject({
  name: z.string(),
  owner,
  description: z.string().default(""),
  config: z.looseObject({}).default({}),
});
export type GroupProperties = z.output<typeof groupProperties>;

/** Entries of a kind that is described here and used elsewhere, or not at all yet. */
const described = z.array(z.looseObject({ name: z.string() })).default([]);

/** Keys of a YAML file that describe what is in other files. */
export const DESCRIBING_KEYS = { macros: described, analyses: described, data_tests: described };

/** Keys of a YAML file whose entries cannot run yet. */
export const UNSUPPORTED_KEYS = {
  semantic_models: described,
  metrics: described,
  saved_queries: described,
  functions: described,
};
