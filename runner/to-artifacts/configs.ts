import type { HookText, ModelConfig, SeedConfig, SnapshotConfig, TestConfig } from "../graph/nodes.ts";
import { docsEntry } from "./parts.ts";

/** What dbt says of a node that does not configure it. */
const NODE_DEFAULTS = {
  enabled: true,
  alias: null,
  schema: null,
  database: null,
  tags: [],
  meta: {},
  group: null,
  static_analysis: null,
  materialized: "view",
  incremental_strategy: null,
  batch_size: null,
  lookback: 1,
  begin: null,
  persist_docs: {},
  "post-hook": [],
  "pre-hook": [],
  quoting: {},
  column_types: {},
  full_refresh: null,
  unique_key: null,
  on_schema_change: "ignore",
  on_configuration_change: "apply",
  grants: {},
  packages: [],
  contract: { enforced: false, alias_types: true },
  event_time: null,
  concurrent_batches: null,
};

const MODEL_DEFAULTS = {
  access: "protected",
  freshness: null,
  on_error: null,
  latest_version_pointer: { enabled: null, alias: null },
};

/** Keys that dbt writes only where somebody gave them. */
const WHEN_GIVEN = ["incremental_predicates", "merge_update_columns", "merge_exclude_columns"] as const;

export function modelConfigEntry(config: ModelConfig): Record<string, unknown> {
  const { pre_hook, post_hook, unique_key, persist_docs, contract, ...same } = config;
  const entry: Record<string, unknown> = {
    ...NODE_DEFAULTS,
    ...MODEL_DEFAULTS,
    ...same,
    docs: docsEntry(config),
    unique_key: oneOrMore(unique_key),
    persist_docs: persist_docs.relation || persist_docs.columns ? persist_docs : {},
    contract: { ...contract, alias_types: true },
    "pre-hook": hookEntries(pre_hook),
    "post-hook": hookEntries(post_hook),
  };
  if (config.begin !== null && /^\d{4}-\d\d-\d\d$/.test(config.begin))
    entry.begin = `${config.begin}T00:00:00`;
  for (const key of WHEN_GIVEN) if ((config[key]?.length ?? 0) === 0) delete entry[key];
  return entry;
}

function hookEntries(hooks: readonly HookText[]) {
  return hooks.map(({ sql, transaction }) => ({ sql, transaction, index: null }));
}

/** A key of one column is the column. */
function oneOrMore(columns: readonly string[]): unknown {
  return columns.length < 2 ? (columns[0] ?? null) : columns;
}

export function seedConfigEntry(config: SeedConfig): Record<string, unknown> {
  return { ...NODE_DEFAULTS, ...config, docs: docsEntry(config) };
}

const META_COLUMNS = ["dbt_valid_to", "dbt_valid_from", "dbt_scd_id", "dbt_updated_at", "dbt_is_deleted"];

export function snapshotConfigEntry(config: SnapshotConfig): Record<string, unknown> {
  const { hard_deletes, ...same } = config;
  return {
    ...NODE_DEFAULTS,
    ...same,
    ...(hard_deletes === "ignore" ? {} : { hard_deletes }),
    docs: docsEntry(config),
    unique_key: oneOrMore(config.unique_key),
    target_schema: null,
    target_database: null,
    snapshot_meta_column_names: {
      ...Object.fromEntries(META_COLUMNS.map((name) => [name, null])),
      ...config.snapshot_meta_column_names,
    },
  };
}

/** `alias` is given where the test's name is too long for a table. */
export function testConfigEntry(config: TestConfig, alias: string | null): Record<string, unknown> {
  return {
    database: null,
    group: null,
    static_analysis: null,
    sql_header: null,
    materialized: "test",
    ...config,
    alias,
    severity: config.severity.toUpperCase(),
  };
}

/** An operation: a statement around a run. */
export function operationConfigEntry(): Record<string, unknown> {
  return { ...NODE_DEFAULTS, docs: docsEntry({}) };
}
