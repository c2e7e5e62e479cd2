import { hash } from "node:crypto";
import type { QueryFacts } from "../../../engines/engine.ts";
import { relationKey } from "../../../engines/engine.ts";
import type { BuildRecord, TestRecord } from "../../../state/builds.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import { readsOf } from "../../graph/ephemeral.ts";
import type { Graph, ModelNode, ReferableNode, TestNode } from "../../graph/nodes.ts";

/** What decides what comes out of a node, besides the rows that it reads. */
export type Fingerprint = Pick<BuildRecord, "text" | "query" | "config" | "unstable">;

export function hashOf(...parts: readonly unknown[]): string {
  return hash("sha256", JSON.stringify(parts), "base64url");
}

/** The query whose rows the node consists of; undefined when it is none of SQL. */
export function queryOf(
  node: ReferableNode | TestNode,
  texts: { compiled: ReadonlyMap<string, CompiledNode>; snapshotQuery: (id: string) => string },
): string | undefined {
  if (node.kind === "seed") return undefined;
  if (node.kind === "snapshot") return texts.snapshotQuery(node.id);
  return texts.compiled.get(node.id)?.sql ?? "";
}

/** Hash of the text of a query and of the relations that it is said to read. */
export function textHash(graph: Graph, node: ReferableNode | TestNode, query: string | undefined): string {
  if (node.kind === "seed") return hashOf(node.checksum);
  return hashOf(query, [...readKeys(graph, node)]);
}

function readKeys(graph: Graph, node: ReferableNode | TestNode): Set<string> {
  return new Set(
    readsOf(graph, node).flatMap((id) => {
      const read = graph.nodes.get(id);
      return read === undefined || !("relation" in read) || read.kind === "test"
        ? []
        : [relationKey(read.relation)];
    }),
  );
}

/** What a record of the same text says, or else what the engine does. */
export function fingerprintOf(
  graph: Graph,
  node: ReferableNode | TestNode,
  from: {
    text: string;
    known: QueryFacts | Pick<TestRecord, "query" | "unstable"> | undefined;
    compiled: CompiledNode | undefined;
    /** The warehouse's own name. */
    database: string;
  },
): Fingerprint {
  const { text, known, compiled } = from;
  const config = hashOf(configOf(node, compiled));
  if (node.kind === "model" && node.config.materialized === "incremental")
    return { text, query: text, config, unstable: "incremental models always run" };
  if (known === undefined) return { text, query: text, config, unstable: null };
  if (!("relations" in known)) return { text, query: known.query, config, unstable: known.unstable };
  const unnamed =
    known.unstable === null ? unnamedRelation(graph, node, { ...from, facts: known }) : undefined;
  const unstable = unnamed === undefined ? known.unstable : `names ${unnamed} without ref or source`;
  return { text, query: known.hash, config, unstable };
}

/** A relation in the SQL that the graph does not know of, so that nothing tells when it changes. */
function unnamedRelation(
  graph: Graph,
  node: ReferableNode | TestNode,
  { facts, database }: { facts: QueryFacts; database: string },
): string | undefined {
  const known = readKeys(graph, node);
  const unnamed = facts.relations.find((relation) => {
    if (relation.schema === undefined) return true;
    const { schema, name } = relation;
    const isHere = relation.database === undefined || relation.database === database;
    return !known.has(relationKey(isHere ? { schema, name } : { ...relation, schema }));
  });
  return unnamed && [unnamed.database, unnamed.schema, unnamed.name].filter(Boolean).join(".");
}

/** Settings that change what is made. */
function configOf(node: ReferableNode | TestNode, compiled: CompiledNode | undefined): unknown {
  switch (node.kind) {
    case "seed": {
      const { column_types, delimiter, quote_columns } = node.config;
      return { column_types, delimiter, quote_columns };
    }
    case "snapshot": {
      const {
        schema: _schema,
        alias: _alias,
        enabled: _enabled,
        tags: _tags,
        meta: _meta,
        ...config
      } = node.config;
      return config;
    }
    case "test": {
      const { severity, warn_if, error_if, fail_calc, where, limit } = node.config;
      return { severity, warn_if, error_if, fail_calc, where, limit };
    }
    default:
      return modelConfig(node, compiled);
  }
}

function modelConfig(
  { config, columns, constraints, description }: ModelNode,
  compiled: CompiledNode | undefined,
) {
  const hooks = [compiled?.hooks?.pre ?? [], compiled?.hooks?.post ?? []].map((list) =>
    list.map(({ sql, isInTransaction }) => ({ sql, isInTransaction })),
  );
  const { materialized, contract, persist_docs } = config;
  const typed = columns.map(({ name, dataType, quote, constraints: own }) => [name, dataType, quote, own]);
  const described = [description, columns.map((column) => [column.name, column.description])];
  return {
    materialized,
    hooks,
    contract: contract.enforced ? [typed, constraints] : null,
    docs: persist_docs.relation || persist_docs.columns ? [persist_docs, described] : null,
  };
}
