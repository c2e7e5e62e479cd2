import { relationKey } from "../../engines/engine.ts";
import { type Graph, sourcesOf, type TestNode } from "../graph/nodes.ts";
import type { RunnableNode } from "./results.ts";

/** What is run in one go: one node, or tests that look at the same nodes. */
export interface WorkItem {
  id: string;
  nodes: RunnableNode[];
  /** Ids of the items that have to succeed before this one is run. */
  after: Set<string>;
}

/**
 * The items of a run, by id. A node comes after what it reads, also through nodes that are not run, and after
 * seeds that it reads as sources. Tests come after the nodes that they look at, and before each node that has all
 * of those among its ancestors.
 */
export function workItems(
  graph: Graph,
  nodes: readonly RunnableNode[],
  threads: number,
): Map<string, WorkItem> {
  const isRun = new Set(nodes.filter(({ kind }) => kind !== "test").map(({ id }) => id));
  const seeded = seededSources(graph, nodes);
  const parentsOf = (ids: readonly string[]) =>
    runParents(
      graph,
      ids.map((id) => seeded.get(id) ?? id),
      isRun,
    );
  const items = new Map<string, WorkItem>();
  const groups = testGroups(nodes.filter((node) => node.kind === "test"));
  for (const node of nodes) {
    if (node.kind === "test") continue;
    items.set(node.id, { id: node.id, nodes: [node], after: parentsOf(node.dependsOn) });
  }
  for (const tests of groups) {
    const reads = tests[0]?.dependsOn ?? [];
    const after = parentsOf(reads);
    const blocked = isRun.size === 0 ? [] : blockedBy(graph, new Set(reads), isRun);
    for (const part of inParts(tests, Math.floor(threads / groups.length))) {
      const id = `tests ${part[0]?.id}`;
      items.set(id, { id, nodes: part, after });
      for (const child of blocked) items.get(child)?.after.add(id);
    }
  }
  return items;
}

/** Seeds by the ids of the sources that are other names of their tables. */
function seededSources(graph: Graph, nodes: readonly RunnableNode[]): Map<string, string> {
  const seeds = new Map(
    nodes.filter(({ kind }) => kind === "seed").map(({ id, relation }) => [relationKey(relation), id]),
  );
  if (seeds.size === 0) return new Map();
  return new Map(
    sourcesOf(graph).flatMap(({ id, relation }) => {
      const seed = seeds.get(relationKey(relation));
      return seed === undefined ? [] : [[id, seed]];
    }),
  );
}

function testGroups(tests: readonly TestNode[]): TestNode[][] {
  const groups = new Map<string, TestNode[]>();
  for (const test of tests) {
    const key = [...new Set(test.dependsOn)].sort().join(" ");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [test]);
    else group.push(test);
  }
  return [...groups.values()];
}

/** Several parts only where there would be nothing else to do for some of the threads. */
function inParts<T>(all: readonly T[], threads: number): T[][] {
  const count = Math.max(1, Math.min(threads, all.length));
  return Array.from({ length: count }, (_, part) => all.filter((_item, index) => index % count === part));
}

/** The nearest ancestors that are run, or these nodes themselves. */
function runParents(graph: Graph, ids: readonly string[], isRun: ReadonlySet<string>): Set<string> {
  const found = new Set<string>();
  const seen = new Set<string>(ids);
  for (const id of seen) {
    if (isRun.has(id)) found.add(id);
    // A set that grows while it is walked: each ancestor is looked at once.
    else for (const parent of graph.nodes.get(id)?.dependsOn ?? []) seen.add(parent);
  }
  return found;
}

/** The first nodes that are run below all of `reads`; those below them wait for them in any case. */
function blockedBy(graph: Graph, reads: ReadonlySet<string>, isRun: ReadonlySet<string>): Set<string> {
  const last = [...reads].find((id) => {
    const parents = new Set(graph.nodes.get(id)?.dependsOn);
    return [...reads].every((other) => other === id || parents.has(other));
  });
  const [first, ...others] = [...reads];
  const below = last === undefined ? others.map((id) => descendants(graph, id)) : [];
  const blocked = new Set<string>();
  const seen = new Set(childrenOf(graph, last ?? first));
  for (const id of seen) {
    if (isRun.has(id) && below.every((ids) => ids.has(id))) blocked.add(id);
    else for (const child of childrenOf(graph, id)) seen.add(child);
  }
  return blocked;
}

function descendants(graph: Graph, of: string): Set<string> {
  const found = new Set(childrenOf(graph, of));
  for (const id of found) for (const child of childrenOf(graph, id)) found.add(child);
  return found;
}

function childrenOf(graph: Graph, id: string | undefined): readonly string[] {
  return graph.children.get(id ?? "") ?? [];
}
