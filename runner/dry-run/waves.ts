import { readsOf } from "../graph/ephemeral.ts";
import type { Graph, ModelNode, SnapshotNode } from "../graph/nodes.ts";

export type Wave = { kind: "model"; nodes: ModelNode[] } | { kind: "snapshot"; nodes: SnapshotNode[] };

/** Models and snapshots in turns, so that each comes after what it reads. */
export function wavesOf(
  graph: Graph,
  { models, snapshots }: { models: readonly ModelNode[]; snapshots: readonly SnapshotNode[] },
): Wave[] {
  const left = new Set([...models, ...snapshots].map(({ id }) => id));
  const reads = new Map([...models, ...snapshots].map((node) => [node.id, readsOf(graph, node)]));
  const take = <T extends ModelNode | SnapshotNode>(nodes: readonly T[]): T[] => {
    const taken: T[] = [];
    for (let count = -1; count < taken.length; ) {
      count = taken.length;
      for (const node of nodes) {
        if (!left.has(node.id) || reads.get(node.id)?.some((id) => left.has(id))) continue;
        left.delete(node.id);
        taken.push(node);
      }
    }
    return taken;
  };
  const waves: Wave[] = [];
  if (snapshots.length === 0) waves.push({ kind: "model", nodes: [...models] });
  else {
    while (left.size > 0) {
      waves.push({ kind: "model", nodes: take(models) }, { kind: "snapshot", nodes: take(snapshots) });
    }
  }
  return waves.filter(({ nodes }) => nodes.length > 0);
}
