import type { CatalogEntry, CatalogStat } from "../../artifacts/catalog.ts";
import { type CatalogRelation, relationKey } from "../../engines/engine.ts";
import type { CompileScope } from "../graph/compile.ts";
import { isEphemeral } from "../graph/ephemeral.ts";
import type { Node, RelationNode } from "../graph/nodes.ts";

/** What of the selected nodes is there in the warehouse; nodes that were never built are left out. */
export function catalogContent(
  scope: CompileScope,
  selected: ReadonlySet<string>,
  relations: readonly CatalogRelation[],
): { nodes: CatalogEntry[]; sources: CatalogEntry[] } {
  const byKey = new Map(relations.map((relation) => [relationKey(relation), relation]));
  const entries = (isWanted: (node: RelationNode) => boolean) =>
    [...scope.graph.nodes.values()].flatMap((node) => {
      if (!selected.has(node.id) || !hasRelation(node) || !isWanted(node)) return [];
      const relation = byKey.get(relationKey(node.relation));
      return relation === undefined ? [] : [catalogEntry(node.id, relation, scope.target.database)];
    });
  return {
    nodes: entries(({ kind }) => kind !== "source"),
    sources: entries(({ kind }) => kind === "source"),
  };
}

function hasRelation(node: Node): node is RelationNode {
  if (node.kind === "model") return !isEphemeral(node);
  return node.kind === "seed" || node.kind === "snapshot" || node.kind === "source";
}

function catalogEntry(id: string, relation: CatalogRelation, database: string): CatalogEntry {
  const { kind, schema, name, comment, columns, rowCount } = relation;
  return {
    unique_id: id,
    metadata: {
      type: kind === "view" ? "VIEW" : "BASE TABLE",
      schema,
      name,
      database: relation.database ?? database,
      comment,
      owner: null,
    },
    columns: Object.fromEntries(
      columns.map((column, index) => [
        column.name,
        { type: column.type, index: index + 1, name: column.name, comment: column.comment },
      ]),
    ),
    stats: stats(rowCount),
  };
}

function stats(rowCount: number | null): Record<string, CatalogStat> {
  const hasStats = {
    id: "has_stats",
    label: "Has Stats?",
    value: rowCount !== null,
    include: false,
    description: "Indicates whether there are statistics for this table",
  };
  if (rowCount === null) return { has_stats: hasStats };
  const description = "How many rows the engine says the table has, without counting them";
  const rows = { id: "num_rows", label: "# Rows", value: rowCount, include: true, description };
  return { num_rows: rows, has_stats: hasStats };
}
