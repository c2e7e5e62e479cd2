import type { Relation } from "../../engines/engine.ts";
import type { Proof } from "../data-tests/generic-tests/definition.ts";
import type { Macros } from "../templates/macro.ts";
import type { Literal, Template } from "../templates/template.ts";
import type { Fixture } from "../unit-tests/fixture.ts";

export const MATERIALIZATIONS = ["view", "table", "incremental", "ephemeral"] as const;
export type Materialization = (typeof MATERIALIZATIONS)[number];

export const ACCESS = ["private", "protected", "public"] as const;

/** Where documentation shows a node, and how. */
export interface DocsConfig {
  show: boolean;
  node_color: string | null;
}

export const INCREMENTAL_STRATEGIES = ["append", "delete+insert", "merge", "microbatch"] as const;
export const SCHEMA_CHANGES = [
  "ignore",
  "append_new_columns",
  "sync_all_columns",
  "fail",
  "full_refresh",
] as const;

export const BATCH_SIZES = ["hour", "day", "month", "year"] as const;
export type BatchSize = (typeof BATCH_SIZES)[number];

/** A statement to run before or after a model or a run, as it was written. */
export interface HookText {
  sql: string;
  /** Whether it is part of the model's transaction. */
  transaction: boolean;
}

export interface IncrementalConfig {
  /** By default `delete+insert` with a unique key, `append` without one. */
  incremental_strategy: (typeof INCREMENTAL_STRATEGIES)[number] | null;
  unique_key: string[];
  on_schema_change: (typeof SCHEMA_CHANGES)[number];
  incremental_predicates: string[];
  merge_update_columns: string[] | null;
  merge_exclude_columns: string[] | null;
  /** Overrides `--full-refresh`, either way. */
  full_refresh: boolean | null;
  /** SQL for the time of a row, by which batches are cut. */
  event_time: string | null;
  batch_size: BatchSize | null;
  /** Batches before the latest one that are built again. */
  lookback: number;
  /** The time of the first batch. */
  begin: string | null;
  concurrent_batches: boolean | null;
}

export interface ModelConfig extends IncrementalConfig {
  materialized: Materialization;
  pre_hook: HookText[];
  post_hook: HookText[];
  contract: { enforced: boolean };
  persist_docs: { relation: boolean; columns: boolean };
  schema: string | null;
  alias: string | null;
  enabled: boolean;
  tags: string[];
  meta: Record<string, unknown>;
  docs?: DocsConfig;
  group?: string;
  access?: (typeof ACCESS)[number];
}

export interface SeedConfig {
  materialized: "seed";
  schema: string | null;
  alias: string | null;
  enabled: boolean;
  tags: string[];
  meta: Record<string, unknown>;
  docs?: DocsConfig;
  /** SQL types by column; the others get the type that all their values have. */
  column_types: Record<string, string>;
  delimiter: string;
  quote_columns: boolean | null;
}

export interface SnapshotConfig {
  materialized: "snapshot";
  strategy: "timestamp" | "check";
  unique_key: string[];
  updated_at: string | null;
  check_cols: "all" | string[] | null;
  hard_deletes: "ignore" | "invalidate" | "new_record";
  /** SQL for the end of versions that are current; null when absent. */
  dbt_valid_to_current: string | null;
  snapshot_meta_column_names: Record<string, string>;
  schema: string | null;
  alias: string | null;
  enabled: boolean;
  tags: string[];
  meta: Record<string, unknown>;
  docs?: DocsConfig;
}

export const SEVERITIES = ["error", "warn"] as const;
export type Severity = (typeof SEVERITIES)[number];

export interface TestConfig {
  severity: Severity;
  /** SQL conditions on the number of failures, such as `> 10`. */
  warn_if: string;
  error_if: string;
  /** SQL expression over the failing rows that counts them. */
  fail_calc: string;
  where: string | null;
  limit: number | null;
  /** Whether failing rows are kept in the warehouse; null leaves it to `--store-failures`. */
  store_failures: boolean | null;
  /** How; decides over `store_failures`. `ephemeral` keeps none. */
  store_failures_as: "table" | "view" | "ephemeral" | null;
  /** Where, named as a model's are: `dbt_test__audit` and the test's name when not given. */
  schema: string | null;
  alias: string | null;
  enabled: boolean;
  tags: string[];
  meta: Record<string, unknown>;
}

export const CONSTRAINTS = ["not_null", "unique", "primary_key", "foreign_key", "check", "custom"] as const;

/** What a contract says about a column or, with `columns`, about a whole model. */
export interface Constraint {
  type: (typeof CONSTRAINTS)[number];
  expression?: string | undefined;
  columns?: string[] | undefined;
  warn_unenforced?: boolean | undefined;
  [key: string]: unknown;
}

export interface Column {
  name: string;
  description: string;
  dataType: string | null;
  quote: boolean | null;
  constraints: Constraint[];
  tags: string[];
  meta: Record<string, unknown>;
  /** Ids of the docs blocks that the description holds. */
  docBlocks?: readonly string[];
}

interface NodeBase {
  /** `model.moovitamix.dim_users`. */
  id: string;
  name: string;
  /** Project, folders, name: what selection matches. */
  fqn: string[];
  /** Relative to the project folder, with forward slashes. */
  file: string;
  description: string;
  /** Ids of the docs blocks that the description holds. */
  docBlocks?: readonly string[];
  tags: string[];
  /** Ids of the nodes that it reads. */
  dependsOn: string[];
}

export interface Hook {
  template: Template;
  isInTransaction: boolean;
  /** `file:line:column` where it is written. */
  where: string;
}

export interface ModelNode extends NodeBase {
  kind: "model";
  config: ModelConfig;
  relation: Relation;
  columns: Column[];
  constraints: Constraint[];
  template: Template;
  hooks: { pre: Hook[]; post: Hook[] };
  /** The YAML file that describes it. */
  patchFile: string | null;
}

/** A CSV file that is loaded as a table. */
export interface SeedNode extends NodeBase {
  kind: "seed";
  config: SeedConfig;
  relation: Relation;
  columns: Column[];
  patchFile: string | null;
  /** SHA-256 of the file without the white space around it. */
  checksum: string;
}

/** A table of the versions that rows of another one had. */
export interface SnapshotNode extends NodeBase {
  kind: "snapshot";
  config: SnapshotConfig;
  relation: Relation;
  columns: Column[];
  /** The `ref` or `source` that it is taken of. */
  reads: { text: string; where: string };
  /** `file:line:column` of its name. */
  where: string;
}

export interface SourceNode extends NodeBase {
  kind: "source";
  sourceName: string;
  sourceDescription: string;
  /** SQL for the time of a row, for microbatches that read it. */
  eventTime: string | null;
  relation: Relation;
  columns: Column[];
  loader: string;
  meta: Record<string, unknown>;
  sourceMeta: Record<string, unknown>;
  quoting: Record<string, boolean | null | undefined>;
  freshness: Freshness | null;
  /** SQL for the time at which a row was loaded. */
  loadedAtField: string | null;
  /** Instead of it, a query for the newest such time. */
  loadedAtQuery: string | null;
  /** `file:line:column` of its name. */
  where: string;
}

export interface Age {
  count: number;
  period: "minute" | "hour" | "day";
}

export interface Freshness {
  warnAfter: Age | null;
  errorAfter: Age | null;
  /** SQL condition on the rows to look at. */
  filter: string | null;
}

/** What the project's tables are used for. */
export interface ExposureNode extends NodeBase {
  kind: "exposure";
  type: string;
  owner: Record<string, unknown>;
  label: string | null;
  maturity: string | null;
  url: string | null;
  meta: Record<string, unknown>;
}

export interface Group {
  id: string;
  name: string;
  owner: Record<string, unknown>;
  description: string;
  config: Record<string, unknown>;
  file: string;
}

/** A text that descriptions call by its name. */
export interface DocsBlock {
  id: string;
  name: string;
  file: string;
  contents: string;
}

export interface GenericTest {
  /** `not_null`. */
  type: string;
  /** The package that it was named with: `dbt_utils`. */
  namespace: string | null;
  attachedTo: string;
  columnName: string | null;
  arguments: Record<string, Literal>;
  /** The query for the offending rows; of a project's own test what it is rendered from. */
  sql: string | { template: Template; values: Record<string, unknown> };
  /** What the query reads rows of, as SQL: the relation, or the part of it that `where` leaves. */
  relation: string;
  /** A cheaper way to show that the query has no rows. */
  proof?: Proof;
}

export interface TestNode extends NodeBase {
  kind: "test";
  config: TestConfig;
  /** Where failing rows are stored, if they are. */
  relation: Relation;
  /** `file:line:column` where it is declared. */
  where: string;
  generic: GenericTest | null;
  /** Of a singular test: a file that returns the offending rows. */
  template: Template | null;
}

export interface UnitTestInput {
  /** The model, seed, snapshot or source that the rows stand for; of `this` the tested one. */
  id: string;
  isThis: boolean;
  /** As it was written. */
  input: string;
  /** Null: the rows of the seed's own file. */
  fixture: Fixture | null;
}

/** What holds in a unit test instead of what the project says. */
export interface UnitTestOverrides {
  macros: Record<string, Literal>;
  vars: Record<string, Literal>;
  env_vars: Record<string, string>;
}

/** Given rows, and those that a model or a snapshot has to make of them. */
export interface UnitTestNode extends NodeBase {
  kind: "unit_test";
  config: { enabled: boolean; tags: string[]; meta: Record<string, unknown> };
  /** The id of the model or snapshot that is tested. */
  subject: string;
  given: UnitTestInput[];
  expect: Fixture;
  overrides: UnitTestOverrides;
  /** Whether the table is built and its rows are compared, instead of the query's. */
  materialize: boolean;
  /** Whether a second build has to leave the same rows. */
  idempotent: boolean;
  /** `given` and `expect` as the YAML has them. */
  declared: { given: unknown[]; expect: unknown };
  /** `file:line:column` of its name. */
  where: string;
}

/** What `ref` may name. */
export type ReferableNode = ModelNode | SeedNode | SnapshotNode;
/** What data tests look at. */
export type RelationNode = ReferableNode | SourceNode;
export type Node = RelationNode | TestNode | UnitTestNode | ExposureNode;

/** All that a project consists of, checked: names resolve and there is no cycle. */
export interface Graph {
  projectName: string;
  nodes: ReadonlyMap<string, Node>;
  groups: readonly Group[];
  docs: readonly DocsBlock[];
  /** What `enabled: false` keeps out of the graph; what it reads is not resolved. */
  disabled: readonly Node[];
  /** Ids of the nodes that read a node. */
  children: ReadonlyMap<string, readonly string[]>;
  macros: Macros;
}

export function modelsOf(graph: Graph): ModelNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "model");
}

export function seedsOf(graph: Graph): SeedNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "seed");
}

export function snapshotsOf(graph: Graph): SnapshotNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "snapshot");
}

export function testsOf(graph: Graph): TestNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "test");
}

export function unitTestsOf(graph: Graph): UnitTestNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "unit_test");
}

export function exposuresOf(graph: Graph): ExposureNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "exposure");
}

export function sourcesOf(graph: Graph): SourceNode[] {
  return [...graph.nodes.values()].filter((node) => node.kind === "source");
}

/** Whether a model is built batch by batch. */
export function isMicrobatch({ config }: ModelNode): boolean {
  return config.materialized === "incremental" && config.incremental_strategy === "microbatch";
}
