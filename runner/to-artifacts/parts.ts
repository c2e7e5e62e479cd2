import { hash } from "node:crypto";
import type { Relation } from "../../engines/engine.ts";
import type { CompileScope } from "../graph/compile.ts";
import type {
  Column,
  Constraint,
  DocsBlock,
  Group,
  ModelConfig,
  ModelNode,
  Node,
  SeedNode,
  SnapshotNode,
  TestNode,
} from "../graph/nodes.ts";

/** What a manifest is made of. */
export interface ManifestScope extends CompileScope {
  /** Seconds since 1970 at which the project was read. */
  createdAt: number;
  /** The configuration of a model as a manifest has it. Models of the same configuration share it. */
  configOf(config: ModelConfig): Record<string, unknown>;
}

/** A file below its folder of models, seeds or tests: dbt's `path`. */
export function pathOf({ file }: Pick<Node | Group | DocsBlock, "file">): string {
  return file.split("/").slice(1).join("/");
}

/** The YAML file that describes a node, as dbt names it. */
export function patchPath({ graph }: CompileScope, file: string | null): string | null {
  return file === null ? null : `${graph.projectName}://${file}`;
}

/** A relation's name for SQL, its database always said: tools compare these texts. */
export function relationName({ dialect, target }: CompileScope, relation: Relation): string {
  return dialect.nameOf({ database: target.database, ...relation });
}

/** The keys that every node of a manifest has. */
export function commonEntry(
  node: ModelNode | SeedNode | SnapshotNode | TestNode,
  { graph, createdAt }: ManifestScope,
) {
  return {
    unique_id: node.id,
    name: node.name,
    package_name: graph.projectName,
    path: pathOf(node),
    original_file_path: node.file,
    fqn: node.fqn,
    description: node.description,
    tags: node.tags,
    group: null as string | null,
    docs: docsEntry(node.config),
    build_path: null,
    unrendered_config: {},
    created_at: createdAt,
    doc_blocks: node.docBlocks ?? [],
  };
}

const SHOWN = { show: true, node_color: null };

/** Where documentation shows what has this configuration. */
export function docsEntry(config: object): unknown {
  return ("docs" in config ? config.docs : null) ?? SHOWN;
}

export function columnEntries(columns: readonly Column[]): Record<string, unknown> {
  return Object.fromEntries(
    columns.map(({ name, description, docBlocks, dataType, tags, meta, constraints, quote }) => [
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
        dimension: null,
        entity: null,
        doc_blocks: docBlocks ?? [],
      },
    ]),
  );
}

export function constraintEntry({ type, ...rest }: Constraint): Record<string, unknown> {
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

/** dbt's checksum of a text: how much white space stands between its words does not count. */
export function checksum(text: string): { name: string; checksum: string } {
  return {
    name: "sha256",
    checksum: hash("sha256", text.trim().split(/\s+/).join(" "), "hex"),
  };
}
