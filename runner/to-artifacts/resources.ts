import type {
  ManifestExposure,
  ManifestMacro,
  ManifestPart,
  ManifestSource,
} from "../../artifacts/manifest.ts";
import type { DocsBlock, ExposureNode, Freshness, Group, SourceNode } from "../graph/nodes.ts";
import type { Macro } from "../templates/macro.ts";
import { macrosOf } from "../templates/macros.ts";
import { readNames } from "./nodes.ts";
import { columnEntries, type ManifestScope, pathOf, relationName } from "./parts.ts";

export function sourceEntry(source: SourceNode, scope: ManifestScope): ManifestSource {
  const freshness = freshnessEntry(source.freshness ?? NO_FRESHNESS);
  const { loadedAtField: loaded_at_field, loadedAtQuery: loaded_at_query, tags, meta } = source;
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
    relation_name: relationName(scope, source.relation),
    package_name: scope.graph.projectName,
    path: source.file,
    original_file_path: source.file,
    fqn: source.fqn,
    tags,
    meta,
    source_meta: source.sourceMeta,
    columns: columnEntries(source.columns),
    config: {
      enabled: true,
      event_time: source.eventTime,
      freshness,
      loaded_at_field,
      loaded_at_query,
      static_analysis: null,
      tags,
      meta,
    },
    freshness,
    loaded_at_field,
    loaded_at_query,
    quoting: { database: null, schema: null, identifier: null, column: null, ...source.quoting },
    external: null,
    patch_path: null,
    unrendered_config: {},
    unrendered_database: null,
    unrendered_schema: null,
    created_at: scope.createdAt,
    doc_blocks: source.docBlocks ?? [],
  };
}

const NO_FRESHNESS: Freshness = { warnAfter: null, errorAfter: null, filter: null };

/** dbt's keys of a freshness rule. */
export function freshnessEntry({ warnAfter, errorAfter, filter }: Freshness) {
  const none = { count: null, period: null };
  return { warn_after: warnAfter ?? none, error_after: errorAfter ?? none, filter };
}

export function exposureEntry(exposure: ExposureNode, scope: ManifestScope): ManifestExposure {
  const { owner, type, label, maturity, url, meta, tags } = exposure;
  const { refs, sources } = readNames(exposure, scope);
  return {
    unique_id: exposure.id,
    resource_type: "exposure",
    name: exposure.name,
    package_name: scope.graph.projectName,
    path: pathOf(exposure),
    original_file_path: exposure.file,
    fqn: exposure.fqn,
    description: exposure.description,
    owner: { email: null, name: null, ...owner },
    type,
    label,
    maturity,
    url,
    meta,
    tags,
    config: { enabled: true, tags, meta },
    unrendered_config: {},
    depends_on: { macros: [], nodes: sourcesFirst(exposure.dependsOn) },
    refs,
    sources,
    metrics: [],
    created_at: scope.createdAt,
  };
}

/** The order in which dbt lists what an exposure reads. */
function sourcesFirst(ids: readonly string[]): string[] {
  const isSource = (id: string) => id.startsWith("source.");
  return [...ids.filter(isSource), ...ids.filter((id) => !isSource(id))];
}

export function groupEntry(group: Group, { graph }: ManifestScope): ManifestPart {
  const { id, name, owner, description, config, file } = group;
  return {
    unique_id: id,
    resource_type: "group",
    name,
    package_name: graph.projectName,
    path: pathOf(group),
    original_file_path: file,
    owner: { email: null, name: null, ...owner },
    description: description === "" ? null : description,
    config: { meta: {}, ...config },
  };
}

export function docEntry(block: DocsBlock, { graph }: ManifestScope): ManifestPart {
  const { id, name, file, contents } = block;
  return {
    unique_id: id,
    resource_type: "doc",
    name,
    package_name: graph.projectName,
    path: pathOf(block),
    original_file_path: file,
    block_contents: contents,
  };
}

export function macroEntry(macro: Macro, { graph, createdAt }: ManifestScope): ManifestMacro {
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
    created_at: createdAt,
    supported_languages: null,
  };
}
