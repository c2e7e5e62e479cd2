import { type AsOf, loadAsOf, validAt } from "../../core/as-of.ts";
import type { Dialect } from "../../engines/engine.ts";
import type { Graph, ModelNode, Node, RelationNode } from "./nodes.ts";

/** SQL that can be traced to the author's text. */
export interface PlacedSql {
  sql: string;
  /** `file:line:column` of the author's text for a place in `sql`. */
  placeOf(offset: number): string;
  /** Where the author's text calls the macro that wrote this place of `sql`. */
  callOf?(offset: number): string | undefined;
}

export function isEphemeral(
  node: Node | undefined,
): node is ModelNode & { config: { materialized: "ephemeral" } } {
  return node?.kind === "model" && node.config.materialized === "ephemeral";
}

/** What `ref` and `source` put into SQL: the relation, or the name of the CTE that stands for an ephemeral model. */
export function referenceSql(dialect: Dialect, node: RelationNode, asOf: AsOf | null = null): string {
  if (isEphemeral(node)) return dialect.quote(cteName(node));
  return (asOf === null ? undefined : sourceAsOf(dialect, node, asOf)) ?? dialect.nameOf(node.relation);
}

/** What a raw table of `run ingest` was at a moment; undefined for all other relations. */
function sourceAsOf(dialect: Dialect, node: RelationNode, asOf: AsOf): string | undefined {
  const { schema, name } = node.relation;
  if (node.kind !== "source" || !schema.startsWith("raw_")) return undefined;
  const load = loadAsOf(asOf, dialect.nameOf({ ...node.relation, name: "_loads" }));
  if (["_loads", "_quarantine"].includes(name) || name.endsWith("_changes"))
    return `(select * from ${dialect.nameOf(node.relation)} where load_id <= ${load})`;
  if (!name.endsWith("_latest")) return undefined;
  const versions = dialect.nameOf({ ...node.relation, name: name.slice(0, -"_latest".length) });
  return `(select * from ${versions} where ${validAt(load)})`;
}

function cteName({ name }: ModelNode): string {
  return `__dbt__cte__${name}`;
}

/** Ids of the relations that a node reads, directly or through ephemeral models. */
export function readsOf(graph: Graph, node: { dependsOn: readonly string[] }): string[] {
  const parents = node.dependsOn.map((id) => graph.nodes.get(id));
  if (!parents.some(isEphemeral)) return [...node.dependsOn];
  const inlined = new Set(ephemeralsOf(graph, node.dependsOn).map(({ id }) => id));
  const direct = [node, ...ephemeralsOf(graph, node.dependsOn)].flatMap(({ dependsOn }) => dependsOn);
  return [...new Set(direct)].filter((id) => !inlined.has(id));
}

/** The ephemeral models behind these ids, each after those that it reads. */
export function ephemeralsOf(graph: Graph, ids: readonly string[]): ModelNode[] {
  const found = new Map<string, ModelNode>();
  const visit = (id: string) => {
    const node = graph.nodes.get(id);
    if (!isEphemeral(node) || found.has(id)) return;
    for (const parent of node.dependsOn) visit(parent);
    found.set(id, node);
  };
  for (const id of ids) visit(id);
  return [...found.values()];
}

/** The query with the ephemeral models that it reads before it; each part keeps its own places. */
export function withEphemerals(
  dialect: Dialect,
  query: PlacedSql,
  parts: readonly { node: ModelNode; compiled: PlacedSql }[],
): PlacedSql {
  if (parts.length === 0) return query;
  const text = new JoinedText();
  for (const [index, { node, compiled }] of parts.entries()) {
    text.add(`${index === 0 ? "with " : ",\n"}${dialect.quote(cteName(node))} as (\n`);
    text.addCompiled(compiled);
    text.add("\n)");
  }
  // The query may begin with a `with` of its own.
  text.add("\nselect * from (\n");
  text.addCompiled(query);
  text.add("\n) as query");
  return {
    sql: text.sql,
    placeOf: (offset) => text.at(offset, (part, within) => part.placeOf(within)) ?? "",
    callOf: (offset) => text.at(offset, (part, within) => part.callOf?.(within)),
  };
}

class JoinedText {
  sql = "";
  /** Offsets of the joined text to numbers of its parts. */
  private readonly starts: number[] = [];
  private readonly parts: PlacedSql[] = [];

  add(text: string): void {
    this.sql += text;
  }

  addCompiled(part: PlacedSql): void {
    this.starts.push(this.sql.length);
    this.parts.push(part);
    this.sql += part.sql;
  }

  /** What stands between parts belongs to the part before it. */
  at<T>(offset: number, look: (part: PlacedSql, within: number) => T): T | undefined {
    const index = Math.max(
      0,
      this.starts.findLastIndex((start) => start <= offset),
    );
    const part = this.parts[index];
    const within = offset - (this.starts[index] ?? 0);
    return part && look(part, Math.max(0, Math.min(within, part.sql.length)));
  }
}
