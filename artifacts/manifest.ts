import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Context } from "../core/context.ts";
import { artifactMetadata, writeArtifact } from "./metadata.ts";

/** What a manifest says of a model, a seed or a data test; keys as in dbt's manifest version 12. */
export interface ManifestNode extends Record<string, unknown> {
  unique_id: string;
  resource_type: "model" | "seed" | "snapshot" | "test" | "operation";
  /** Seeds read no node. */
  depends_on: { macros: string[]; nodes?: string[] };
}

export interface ManifestSource extends Record<string, unknown> {
  unique_id: string;
  resource_type: "source";
}

export type ManifestEntry = Readonly<Record<string, unknown>>;
export interface ManifestPart extends Record<string, unknown> {
  unique_id: string;
}

export interface ManifestExposure extends ManifestPart {
  resource_type: "exposure";
  depends_on: { macros: string[]; nodes: string[] };
}

export interface ManifestUnitTest extends ManifestPart {
  resource_type: "unit_test";
  depends_on: { macros: string[]; nodes: string[] };
}

export interface ManifestMacro extends Record<string, unknown> {
  unique_id: string;
  resource_type: "macro";
}

export interface ManifestContent {
  projectName: string;
  adapterType: string;
  nodes: readonly ManifestNode[];
  sources: readonly ManifestSource[];
  macros: readonly ManifestMacro[];
  exposures: readonly ManifestExposure[];
  unitTests: readonly ManifestUnitTest[];
  groups: readonly ManifestPart[];
  docs: readonly ManifestPart[];
  /** Ids of the members of each group, by its name. */
  groupMembers: Readonly<Record<string, string[]>>;
  /** What is switched off. */
  disabled: readonly ManifestEntry[];
  selectors: Readonly<Record<string, unknown>>;
}

/** Writes target/manifest.json. */
export function writeManifest(ctx: Context, target: string, content: ManifestContent): void {
  const { nodes, sources, exposures, unitTests, projectName } = content;
  const ids = [...nodes, ...sources, ...exposures, ...unitTests].map((node) => node.unique_id);
  const parents = new Map(ids.map((id): [string, string[]] => [id, []]));
  const children = new Map(ids.map((id): [string, string[]] => [id, []]));
  for (const node of [...nodes, ...exposures, ...unitTests]) {
    const { nodes: read = [] } = node.depends_on;
    parents.set(node.unique_id, read.toSorted());
    for (const parent of read) children.get(parent)?.push(node.unique_id);
  }
  for (const readers of children.values()) readers.sort();
  writeArtifact(ctx, [join(target, "manifest.json")], {
    metadata: {
      ...artifactMetadata(ctx, "manifest/v12"),
      project_name: projectName,
      project_id: createHash("md5").update(projectName).digest("hex"),
      user_id: null,
      send_anonymous_usage_stats: false,
      adapter_type: content.adapterType,
      quoting: { database: true, schema: true, identifier: true, column: null },
      run_started_at: ctx.startedAt.toISOString(),
    },
    nodes: byId(nodes),
    sources: byId(sources),
    macros: byId(content.macros),
    docs: byId(content.docs),
    exposures: byId(exposures),
    metrics: {},
    groups: byId(content.groups),
    selectors: content.selectors,
    disabled: byRepeatedId(content.disabled),
    parent_map: Object.fromEntries(parents),
    child_map: Object.fromEntries(children),
    group_map: content.groupMembers,
    saved_queries: {},
    semantic_models: {},
    unit_tests: byId(unitTests),
    functions: {},
  });
}

/** Several nodes that are switched off may have one id. */
function byRepeatedId(entries: readonly ManifestEntry[]): Record<string, ManifestEntry[]> {
  const named: Record<string, ManifestEntry[]> = {};
  for (const entry of entries) {
    const id = String(entry.unique_id);
    named[id] = [...(named[id] ?? []), entry];
  }
  return named;
}

function byId<T extends { unique_id: string }>(nodes: readonly T[]): Record<string, T> {
  return Object.fromEntries(nodes.map((node) => [node.unique_id, node]));
}
