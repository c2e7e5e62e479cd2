import { createHash } from "node:crypto";
import type {
  ManifestContent,
  ManifestEntry,
  ManifestExposure,
  ManifestMacro,
  ManifestNode,
  ManifestSource,
} from "../artifacts/manifest.ts";
import type { RunResultEntry } from "../artifacts/run-results.ts";
import type { SourceFreshnessEntry } from "../artifacts/sources.ts";
import type { BatchWindow } from "./build/materializations/batch-windows.ts";
import { isTestResult, type ModelResult, type NodeResult } from "./build/results.ts";
import { storageOf } from "./data-tests/failure-tables.ts";
import type { FreshnessResult } from "./freshness/freshness.ts";
import { type CompiledNode, type CompileScope, compiledPath } from "./graph/compile.ts";
import { isEphemeral } from "./graph/ephemeral.ts";
import {
  type Column,
  type Constraint,
  type ExposureNode,
  exposuresOf,
  type Freshness,
  type Graph,
  type HookText,
  type ModelNode,
  modelsOf,
  type SeedNode,
  type SnapshotNode,
  type SourceNode,
  seedsOf,
  snapshotsOf,
  sourcesOf,
  type TestNode,
  testsOf,
} from "./graph/nodes.ts";
import type { PresentState } from "./select/state.ts";
import type { Macro } from "./templates/macro.ts";
import { macrosIn, macrosOf } from "./templates/macros.ts";

type Compiled = ReadonlyMap<string, CompiledNode>;

/** The project as a dbt manifest; nodes outside `compiled` appear uncompiled. */
export function manifestContent(scope: CompileScope, compiled: Compiled): ManifestContent {
  const { graph } = scope;
  return {
    projectName: graph.projectName,
    adapterType: scope.dialect.type,
    nodes: [
      ...modelsOf(graph).map((model) => modelEntry(model, scope, compiled)),
      ...seedsOf(graph).map((seed) => seedEntry(seed, scope)),
      ...snapshotsOf(graph).map((snapshot) => snapshotEntry(snapshot, scope)),
      ...testsOf(graph).map((test) => testEntry(test, scope, compiled)),
    ],
    sources: sourcesOf(graph).map((source) => sourceEntry(source, scope)),
    macros: [...graph.macros.values()].map((macro) => macroEntry(macro, scope)),
    exposures: exposuresOf(graph).map((exposure) => exposureEntry(exposure, scope)),
    groups: graph.groups.map(({ id, name, owner, description, file }) => ({
      unique_id: id,
      resource_type: "group",
      name,
      package_name: graph.projectName,
      path: file,
      original_file_path: file,
      owner: { email: null, name: null, ...owner },
      description,
      config: {},
    })),
    docs: graph.docs.map(({ id, name, file, contents }) => ({
      unique_id: id,
      resource_type: "doc",
      name,
      package_name: graph.projectName,
      path: file,
      original_file_path: file,
      block_contents: contents,
    })),
    groupMembers: groupMembers(graph),
  };
}

function groupMembers(graph: Graph): Record<string, string[]> {
  const members = (group: string) => modelsOf(graph).filter((model) => model.config.group === group);
  return Object.fromEntries(graph.groups.map(({ name }) => [name, members(name).map(({ id }) => id)]));
}

function exposureEntry(exposure: ExposureNode, scope: CompileScope): ManifestExposure {
  const { owner, type, label, maturity, url, meta, tags } = exposure;
  const { refs, sources } = readNames(exposure, scope);
  return {
    unique_id: exposure.id,
    resource_type: "exposure",
    name: exposure.name,
    package_name: scope.graph.projectName,
    path: exposure.file.split("/").slice(1).join("/"),
    original_file_path: exposure.file,
    fqn: exposure.fqn,
    description: exposure.description,
    owner,
    type,
    label,
    maturity,
    url,
    meta,
    tags,
    config: { enabled: true, tags, meta },
    unrendered_config: {},
    depends_on: { macros: [], nodes: exposure.dependsOn },
    refs,
    sources,
    metrics: [],
    created_at: 0,
  };
}

/** What the manifest says of all that has an id; without compiled SQL. */
export function manifestEntries(scope: CompileScope): Map<string, ManifestEntry> {
  const parts = Object.values(manifestContent(scope, new Map())).filter((part) => Array.isArray(part));
  return new Map(parts.flat().map((entry: ManifestEntry) => [String(entry.unique_id), entry]));
}

/** The project as `state:` compares it. */
export function presentState(scope: CompileScope): PresentState {
  const entries = [...manifestEntries(scope)];
  const isMacro = ([, entry]: [string, ManifestEntry]) => entry.resource_type === "macro";
  return {
    nodes: new Map(entries.filter((pair) => !isMacro(pair))),
    macros: new Map(entries.filter(isMacro)),
  };
}

function modelEntry(model: ModelNode, scope: CompileScope, compiled: Compiled): ManifestNode {
  return {
    ...nodeEntry(model, scope, compiled),
    resource_type: "model",
    database: scope.target.database,
    schema: model.relation.schema,
    alias: model.relation.name,
    relation_name: isEphemeral(model) ? null : scope.dialect.nameOf(model.relation),
    raw_code: model.template.source,
    checksum: checksum(model.template.source),
    config: configEntry(model),
    meta: model.config.meta,
    columns: columnEntries(model.columns),
    patch_path: model.patchFile === null ? null : `${scope.graph.projectName}://${model.patchFile}`,
    group: model.config.group ?? null,
    docs: model.config.docs ?? { show: true, node_color: null },
    access: model.config.access ?? "protected",
    constraints: model.constraints.map(constraintEntry),
    contract: { enforced: model.config.contract.enforced, alias_types: true, checksum: null },
    version: null,
    latest_version: null,
    deprecation_date: null,
    primary_key: [],
    time_spine: null,
  };
}

/** Hooks by dbt's names, a key of one column as the column. */
function configEntry({ config }: ModelNode): Record<string, unknown> {
  const { pre_hook, post_hook, unique_key, incremental_predicates, ...same } = config;
  const hookEntries = (hooks: readonly HookText[]) =>
    hooks.map(({ sql, transaction }) => ({ sql, transaction, index: null }));
  return {
    ...same,
    database: null,
    unique_key: unique_key.length < 2 ? (unique_key[0] ?? null) : unique_key,
    incremental_predicates: incremental_predicates.length === 0 ? null : incremental_predicates,
    contract: { ...config.contract, alias_types: true },
    "pre-hook": hookEntries(pre_hook),
    "post-hook": hookEntries(post_hook),
  };
}

function constraintEntry({ type, ...rest }: Constraint): Record<string, unknown> {
  return {
    name: null,
    expression: null,
    warn_unenforced: true,
    warn_unsupported: true,
    to: null,
    to_columns: [],
    ...rest,
    type,
  };
}

function seedEntry(seed: SeedNode, scope: CompileScope): ManifestNode {
  return {
    ...commonEntry(seed, scope),
    resource_type: "seed",
    database: scope.target.database,
    schema: seed.relation.schema,
    alias: seed.relation.name,
    relation_name: scope.dialect.nameOf(seed.relation),
    raw_code: "",
    checksum: { name: "sha256", checksum: seed.checksum },
    config: { ...seed.config, database: null },
    meta: seed.config.meta,
    columns: columnEntries(seed.columns),
    patch_path: seed.patchFile === null ? null : `${scope.graph.projectName}://${seed.patchFile}`,
    root_path: null,
    depends_on: { macros: [], nodes: [] },
  };
}

function snapshotEntry(snapshot: SnapshotNode, scope: CompileScope): ManifestNode {
  return {
    ...commonEntry(snapshot, scope),
    ...readNames(snapshot, scope),
    resource_type: "snapshot",
    database: scope.target.database,
    schema: snapshot.relation.schema,
    alias: snapshot.relation.name,
    relation_name: scope.dialect.nameOf(snapshot.relation),
    language: "sql",
    raw_code: `select * from {{ ${snapshot.reads.text} }}`,
    checksum: checksum(snapshot.reads.text),
    config: { ...snapshot.config, database: null },
    meta: snapshot.config.meta,
    columns: columnEntries(snapshot.columns),
    patch_path: `${scope.graph.projectName}://${snapshot.file}`,
    metrics: [],
    functions: [],
    depends_on: { macros: [], nodes: snapshot.dependsOn },
    compiled_path: null,
    contract: { enforced: false, alias_types: true, checksum: null },
  };
}

function testEntry(test: TestNode, scope: CompileScope, compiled: Compiled): ManifestNode {
  const { generic, config } = test;
  const entry = {
    ...nodeEntry(test, scope, compiled),
    resource_type: "test" as const,
    database: scope.target.database,
    schema: test.relation.schema,
    alias: test.relation.name,
    relation_name: storageOf(config, false) === null ? null : scope.dialect.nameOf(test.relation),
    config: { ...config, severity: config.severity.toUpperCase(), materialized: "test" },
    meta: config.meta,
    columns: {},
    patch_path: null,
  };
  if (generic === null) {
    const source = test.template?.source ?? "";
    return { ...entry, raw_code: source, checksum: checksum(source) };
  }
  return {
    ...entry,
    raw_code: `{{ ${generic.namespace === null ? "" : `${generic.namespace}.`}test_${generic.type}(**_dbt_generic_test_kwargs) }}`,
    checksum: { name: "none", checksum: "" },
    column_name: generic.columnName,
    file_key_name: `${generic.attachedTo.startsWith("source.") ? "sources" : generic.attachedTo.startsWith("seed.") ? "seeds" : "models"}.${scope.graph.nodes.get(generic.attachedTo)?.name}`,
    attached_node: generic.attachedTo,
    test_metadata: { name: generic.type, kwargs: testArguments(test), namespace: generic.namespace },
  };
}

function testArguments({ generic }: TestNode): Record<string, unknown> {
  if (generic === null) return {};
  return generic.columnName === null
    ? generic.arguments
    : { column_name: generic.columnName, ...generic.arguments };
}

/** The keys that every node has. */
function commonEntry(node: ModelNode | SeedNode | SnapshotNode | TestNode, scope: CompileScope) {
  return {
    unique_id: node.id,
    name: node.name,
    package_name: scope.graph.projectName,
    path: node.file.split("/").slice(1).join("/"),
    original_file_path: node.file,
    fqn: node.fqn,
    description: node.description,
    tags: node.tags,
    group: null,
    docs: { show: true, node_color: null },
    build_path: null,
    unrendered_config: {},
    created_at: 0,
    doc_blocks: [],
  };
}

/** What a node reads, by the names that `ref` and `source` use. */
function readNames(node: Pick<ExposureNode, "dependsOn">, { graph }: CompileScope) {
  const parents = node.dependsOn.flatMap((id) => graph.nodes.get(id) ?? []);
  return {
    refs: parents
      .filter((parent) => ["model", "seed", "snapshot"].includes(parent.kind))
      .map(({ name }) => ({ name, package: null, version: null })),
    sources: parents
      .filter((parent) => parent.kind === "source")
      .map((parent) => [parent.sourceName, parent.name]),
  };
}

/** The keys that models and tests share. */
function nodeEntry(node: ModelNode | TestNode, scope: CompileScope, compiled: Compiled) {
  const sql = compiled.get(node.id)?.sql;
  return {
    ...commonEntry(node, scope),
    language: "sql",
    ...readNames(node, scope),
    metrics: [],
    functions: [],
    depends_on: { macros: macroIds(node, scope), nodes: node.dependsOn },
    compiled_path: sql === undefined ? null : `target/compiled/${compiledPath(scope.project, node)}`,
    ...(sql === undefined
      ? {}
      : { compiled: true, compiled_code: sql, extra_ctes_injected: true, extra_ctes: [] }),
    contract: { enforced: false, alias_types: true, checksum: null },
  };
}

function macroIds(node: ModelNode | TestNode, { graph }: CompileScope): string[] {
  const sql = node.kind === "test" ? node.generic?.sql : undefined;
  const template = typeof sql === "object" ? sql.template : node.template;
  return template === null ? [] : macrosIn(graph.macros, template.uses).map(({ id }) => id);
}

function macroEntry(macro: Macro, { graph }: CompileScope): ManifestMacro {
  return {
    unique_id: macro.id,
    resource_type: "macro",
    name: macro.name,
    package_name: graph.projectName,
    path: macro.file,
    original_file_path: macro.file,
    macro_sql: macro.source,
    depends_on: { macros: macrosOf(graph.macros, macro).map(({ id }) => id) },
    description: macro.description,
    meta: {},
    docs: { show: true, node_color: null },
    config: { meta: {}, docs: { show: true, node_color: null } },
    patch_path: null,
    arguments: macro.parameters.map(({ name }) => ({ name, type: null, description: "" })),
    created_at: 0,
    supported_languages: null,
  };
}

function sourceEntry(source: SourceNode, scope: CompileScope): ManifestSource {
  return {
    unique_id: source.id,
    resource_type: "source",
    name: source.name,
    source_name: source.sourceName,
    source_description: source.sourceDescription,
    description: source.description,
    loader: source.loader,
    identifier: source.relation.name,
    database: source.relation.database ?? scope.target.database,
    schema: source.relation.schema,
    relation_name: scope.dialect.nameOf(source.relation),
    package_name: scope.graph.projectName,
    path: source.file,
    original_file_path: source.file,
    fqn: source.fqn,
    tags: source.tags,
    meta: source.meta,
    source_meta: source.sourceMeta,
    columns: columnEntries(source.columns),
    config: { enabled: true, tags: source.tags, meta: source.meta },
    freshness: source.freshness === null ? null : freshnessEntry(source.freshness),
    loaded_at_field: source.loadedAtField,
    loaded_at_query: source.loadedAtQuery,
    quoting: { database: null, schema: null, identifier: null, column: null, ...source.quoting },
    external: null,
    patch_path: null,
    unrendered_config: {},
    unrendered_database: null,
    unrendered_schema: null,
    created_at: 0,
    doc_blocks: [],
  };
}

/** dbt's keys of a freshness rule. */
export function freshnessEntry({ warnAfter, errorAfter, filter }: Freshness) {
  const none = { count: null, period: null };
  return { warn_after: warnAfter ?? none, error_after: errorAfter ?? none, filter };
}

function columnEntries(columns: readonly Column[]): Record<string, unknown> {
  return Object.fromEntries(
    columns.map(({ name, description, dataType, tags, meta, constraints, quote }) => [
      name,
      {
        name,
        description,
        data_type: dataType,
        tags,
        meta,
        constraints: constraints.map(constraintEntry),
        quote,
        config: { meta, tags },
        granularity: null,
        doc_blocks: [],
      },
    ]),
  );
}

function checksum(text: string): { name: string; checksum: string } {
  return { name: "sha256", checksum: createHash("sha256").update(text).digest("hex") };
}

/** Results as entries of run_results.json. */
export function runResultEntries(
  scope: CompileScope,
  results: readonly NodeResult[],
  compiled: Compiled,
): RunResultEntry[] {
  return results.map((result) => {
    const sql = compiled.get(result.node.id)?.sql ?? null;
    const isTest = isTestResult(result);
    return {
      status: result.status,
      timing: result.status === "skipped" || isReused(result) ? [] : [executeTiming(result)],
      thread_id: `Thread-${result.thread}`,
      execution_time: result.seconds,
      adapter_response: !isTest && result.rows !== null ? { rows_affected: result.rows } : {},
      message: messageFor(result),
      failures: isTest ? result.failures : null,
      unique_id: result.node.id,
      compiled: sql !== null,
      compiled_code: sql,
      relation_name: isTest && !result.isStored ? null : scope.dialect.nameOf(result.node.relation),
      batch_results: isTest || result.batches == null ? null : batchEntries(result.batches),
    };
  });
}

function batchEntries({ successful, failed }: NonNullable<ModelResult["batches"]>) {
  const entries = (windows: readonly BatchWindow[]) =>
    windows.map(({ start, end }): [string, string] => [start.toISOString(), end.toISOString()]);
  return { successful: entries(successful), failed: entries(failed) };
}

/** dbt's time of a table without rows. */
const NEVER = new Date("0001-01-01T00:00:00.000Z");

/** Results as entries of sources.json. */
export function freshnessEntries(results: readonly FreshnessResult[]): SourceFreshnessEntry[] {
  return results.map((result) => {
    const { node, status, maxLoadedAt, snapshottedAt } = result;
    if (status === "runtime error") return { unique_id: node.id, error: result.error?.message ?? "", status };
    const newest = maxLoadedAt ?? NEVER;
    return {
      unique_id: node.id,
      max_loaded_at: newest.toISOString(),
      snapshotted_at: snapshottedAt.toISOString(),
      max_loaded_at_time_ago_in_s: (snapshottedAt.getTime() - newest.getTime()) / 1000,
      status,
      criteria: node.freshness === null ? {} : freshnessEntry(node.freshness),
      adapter_response: {},
      timing: [executeTiming(result)],
      thread_id: `Thread-${result.thread}`,
      execution_time: result.seconds,
    };
  });
}

function executeTiming({
  startedAt,
  endedAt,
}: Pick<NodeResult, "startedAt" | "endedAt">): RunResultEntry["timing"][number] {
  return { name: "execute", started_at: startedAt.toISOString(), completed_at: endedAt.toISOString() };
}

function isReused(result: NodeResult): boolean {
  return isTestResult(result) ? result.isReused === true : result.status === "reused";
}

function messageFor(result: NodeResult): string | null {
  if (result.error !== null) return [result.error.where, result.error.message].filter(Boolean).join("  ");
  if (result.reason !== null) return result.reason;
  if (isReused(result)) return "unchanged";
  if (!isTestResult(result)) return result.rows === null ? "OK" : `${result.rows} rows`;
  return result.status === "pass" ? null : `Got ${result.failures} results`;
}
