import { type Engine, relationKey } from "../../engines/engine.ts";
import { isEphemeral, readsOf } from "../graph/ephemeral.ts";
import type { Graph, Node, ReferableNode } from "../graph/nodes.ts";
import type { RunnableNode } from "./results.ts";

/** The chosen nodes of these kinds, and those of their ancestors that this target never had. */
export async function nodesToRun(
  engine: Engine,
  graph: Graph,
  options: {
    selected: ReadonlySet<string>;
    kinds: readonly Node["kind"][];
    onlySelected: boolean;
  },
): Promise<{ nodes: RunnableNode[]; added: ReferableNode[] }> {
  const isWanted = (node: Node): node is RunnableNode =>
    node.kind !== "unit_test" &&
    options.selected.has(node.id) &&
    (options.kinds as readonly string[]).includes(node.kind) &&
    !isEphemeral(node);
  const chosen = [...graph.nodes.values()].filter(isWanted);
  const toVisit = chosen.filter((node) => node.kind !== "test");
  if (options.onlySelected || toVisit.length === 0) return { nodes: chosen, added: [] };
  const built = await engine.relations();
  const wanted = new Set(chosen.map(({ id }) => id));
  const added: ReferableNode[] = [];
  for (let node = toVisit.pop(); node !== undefined; node = toVisit.pop()) {
    for (const id of readsOf(graph, node)) {
      const parent = graph.nodes.get(id);
      if (!isReferable(parent) || wanted.has(id) || built.has(relationKey(parent.relation))) continue;
      wanted.add(id);
      added.push(parent);
      toVisit.push(parent);
    }
  }
  if (added.length === 0) return { nodes: chosen, added };
  const isInRun = (node: Node): node is RunnableNode => wanted.has(node.id);
  return { nodes: [...graph.nodes.values()].filter(isInRun), added };
}

function isReferable(node: Node | undefined): node is ReferableNode {
  return node?.kind === "model" || node?.kind === "seed" || node?.kind === "snapshot";
}
