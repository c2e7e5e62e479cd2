import type { ManifestNode } from "../../artifacts/manifest.ts";
import { type CompiledNode, compiledPath } from "../graph/compile.ts";
import { isEphemeral } from "../graph/ephemeral.ts";
import type { ExposureNode, HookText, ModelNode, SeedNode, SnapshotNode, TestNode } from "../graph/nodes.ts";
import { macrosIn } from "../templates/macros.ts";
import type { Template } from "../templates/template.ts";
import { operationConfigEntry, seedConfigEntry, snapshotConfigEntry } from "./configs.ts";
import {
  checksum,
  columnEntries,
  commonEntry,
  constraintEntry,
  docsEntry,
  type ManifestScope,
  patchPath,
  relationName,
} from "./parts.ts";
import { primaryKey } from "./primary-key.ts";
import { MODEL_SHAPE } from "./shapes.ts";

export type Compiled = ReadonlyMap<string, CompiledNode>;

const NO_CONTRACT = { enforced: false, alias_types: true, checksum: null };

export function modelEntry(
  model: ModelNode,
  scope: ManifestScope,
  { compiled, tests }: { compiled: Compiled; tests: readonly TestNode[] },
): ManifestNode {
  const { config } = model;
  return Object.assign({ ...MODEL_SHAPE }, commonEntry(model, scope), templateEntry(model, scope, compiled), {
    resource_type: "model" as const,
    database: scope.target.database,
    schema: model.relation.schema,
    alias: model.relation.name,
    relation_name: isEphemeral(model) ? null : relationName(scope, model.relation),
    raw_code: model.template.source.trim(),
    checksum: checksum(model.template.source),
    config: scope.configOf(config),
    meta: config.meta,
    columns: columnEntries(model.columns),
    patch_path: patchPath(scope, model.patchFile),
    group: config.group ?? null,
    access: config.access ?? "protected",
    constraints: model.constraints.map(constraintEntry),
    contract: config.contract.enforced ? contractEntry(model) : NO_CONTRACT,
    version: null,
    latest_version: null,
    deprecation_date: null,
    primary_key: primaryKey(model, tests),
    time_spine: null,
  });
}

/** The checksum differs when what the contract promises of the table does. */
function contractEntry({ columns, constraints }: ModelNode) {
  const sorted = columns.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const promised = sorted.map((column) => [column.name, column.dataType, column.constraints]);
  return {
    ...NO_CONTRACT,
    enforced: true,
    checksum: checksum(JSON.stringify([promised, constraints])).checksum,
  };
}

export function seedEntry(seed: SeedNode, scope: ManifestScope): ManifestNode {
  return {
    ...commonEntry(seed, scope),
    resource_type: "seed",
    database: scope.target.database,
    schema: seed.relation.schema,
    alias: seed.relation.name,
    relation_name: relationName(scope, seed.relation),
    raw_code: "",
    checksum: { name: "sha256", checksum: seed.checksum },
    config: seedConfigEntry(seed.config),
    meta: seed.config.meta,
    columns: columnEntries(seed.columns),
    patch_path: patchPath(scope, seed.patchFile),
    root_path: null,
    depends_on: { macros: [] },
  };
}

export function snapshotEntry(snapshot: SnapshotNode, scope: ManifestScope): ManifestNode {
  return {
    ...commonEntry(snapshot, scope),
    ...readNames(snapshot, scope),
    resource_type: "snapshot",
    path: `${snapshot.name}.sql`,
    database: scope.target.database,
    schema: snapshot.relation.schema,
    alias: snapshot.relation.name,
    relation_name: relationName(scope, snapshot.relation),
    language: "sql",
    raw_code: `select * from {{ ${snapshot.reads.text} }}`,
    checksum: checksum(snapshot.reads.text),
    config: snapshotConfigEntry(snapshot.config),
    meta: snapshot.config.meta,
    columns: columnEntries(snapshot.columns),
    patch_path: patchPath(scope, snapshot.file),
    metrics: [],
    functions: [],
    depends_on: { macros: [], nodes: snapshot.dependsOn },
    compiled_path: null,
    contract: NO_CONTRACT,
  };
}

/** The statements around a run, in dbt's order: those before it, then those after it. */
export function operationEntries(scope: ManifestScope): ManifestNode[] {
  const { start, end } = scope.project.runHooks;
  return [
    ...start.map((hook, index) => operationEntry(hook, scope, { index, when: "on-run-start" })),
    ...end.map((hook, index) => operationEntry(hook, scope, { index, when: "on-run-end" })),
  ];
}

function operationEntry(
  { sql }: HookText,
  { graph, project, target, createdAt }: ManifestScope,
  { index, when }: { index: number; when: string },
): ManifestNode {
  const name = `${graph.projectName}-${when}-${index}`;
  return {
    unique_id: `operation.${graph.projectName}.${name}`,
    resource_type: "operation",
    name,
    package_name: graph.projectName,
    path: `hooks/${name}.sql`,
    original_file_path: `./${project.file.path}`,
    fqn: [graph.projectName, "hooks", name],
    alias: name,
    database: target.database,
    schema: target.schema,
    checksum: checksum(sql),
    config: operationConfigEntry(),
    tags: [when],
    description: "",
    columns: {},
    meta: {},
    group: null,
    docs: docsEntry({}),
    patch_path: null,
    build_path: null,
    unrendered_config: {},
    created_at: createdAt,
    relation_name: null,
    raw_code: sql.trim(),
    doc_blocks: [],
    language: "sql",
    refs: [],
    sources: [],
    metrics: [],
    functions: [],
    depends_on: { macros: [], nodes: [] },
    compiled_path: null,
    contract: NO_CONTRACT,
    index,
  };
}

/** The keys that only a node has that is written as a template: a model or a test. */
export function templateEntry(node: ModelNode | TestNode, scope: ManifestScope, compiled: Compiled) {
  const sql = compiled.get(node.id)?.sql;
  const template = templateOf(node);
  const { refs, sources } = node.template === null ? readNames(node, scope) : usedNames(node.template);
  const parts = {
    language: "sql",
    refs,
    sources,
    metrics: [] as string[],
    functions: [] as string[],
    depends_on: {
      macros: template === null ? [] : macrosIn(scope.graph.macros, template.uses).map(({ id }) => id),
      nodes: node.dependsOn,
    },
    compiled_path: sql === undefined ? null : `target/compiled/${compiledPath(scope.project, node)}`,
    contract: NO_CONTRACT,
  };
  if (sql === undefined) return parts;
  const compiledKeys = { compiled: true, compiled_code: sql, extra_ctes_injected: true, extra_ctes: [] };
  return Object.assign(parts, compiledKeys);
}

function templateOf(node: ModelNode | TestNode): Template | null {
  const sql = node.kind === "test" ? node.generic?.sql : undefined;
  return typeof sql === "object" ? sql.template : node.template;
}

/** The calls of `ref` and `source` in a template, as they are written. */
function usedNames({ uses }: Template) {
  const refs = new Map<string, unknown>();
  const sources = new Map<string, unknown>();
  for (const { name, args } of uses) {
    if (name === "source") sources.set(JSON.stringify(args), args);
    if (name !== "ref") continue;
    const [first = null, second] = args;
    const [of, model] = second === undefined ? [null, first] : [first, second];
    refs.set(JSON.stringify(args), { name: model, package: of, version: null });
  }
  return { refs: [...refs.values()], sources: [...sources.values()] };
}

/** What a node without a template reads, by the names that `ref` and `source` use. */
export function readNames(node: Pick<ExposureNode, "dependsOn">, { graph }: ManifestScope) {
  const parents = node.dependsOn.flatMap((id) => graph.nodes.get(id) ?? []);
  return {
    refs: parents
      .filter((parent) => ["model", "seed", "snapshot"].includes(parent.kind))
      .map(({ name }): unknown => ({ name, package: null, version: null })),
    sources: parents
      .filter((parent) => parent.kind === "source")
      .map((parent): unknown => [parent.sourceName, parent.name]),
  };
}
