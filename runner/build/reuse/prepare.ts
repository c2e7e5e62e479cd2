import type { Engine } from "../../../engines/engine.ts";
import { sourcesOf } from "../../graph/nodes.ts";
import { type Fingerprint, fingerprintOf, queryOf, textHash } from "./fingerprint.ts";
import { createReuse, type Reuse, type ReuseWork, testKey } from "./reuse.ts";
import { readLoads } from "./sources.ts";
import { keyOf } from "./versions.ts";

/** Reads what has to be known before the first decision, in a few statements for all nodes. */
export async function prepareReuse(engine: Engine, work: ReuseWork): Promise<Reuse> {
  const existing = await engine.relations();
  const loads = await readLoads(engine, sourcesOf(work.graph), existing);
  return createReuse({ ...work, existing, loads, fingerprints: await fingerprintsOf(engine, work) });
}

async function fingerprintsOf(engine: Engine, work: ReuseWork): Promise<Map<string, Fingerprint>> {
  const { graph, compiled, snapshotSources, book, place, database } = work;
  const snapshotQuery = (id: string) => {
    const source = graph.nodes.get(graph.nodes.get(id)?.dependsOn[0] ?? "");
    if (source === undefined || !("relation" in source)) return "";
    return `select * from ${snapshotSources.get(id) ?? engine.nameOf(source.relation)}`;
  };
  const texts = work.nodes.map((node) => {
    const query = queryOf(node, { compiled, snapshotQuery });
    const text = textHash(graph, node, query);
    const record = node.kind === "test" ? book.tests.get(testKey(work, node)) : book.builds.get(keyOf(node));
    const isKnown = record !== undefined && record.text === text && hasSameValues(record.place, place);
    return { node, query, text, known: isKnown ? record : undefined };
  });
  const toAsk = texts.filter(({ query, known }) => query !== undefined && known === undefined);
  const asked = await engine.factsOf(toAsk.map(({ query }) => query ?? ""));
  const facts = new Map(toAsk.map(({ node }, index) => [node.id, asked[index]]));
  return new Map(
    texts.map(({ node, text, known }) => [
      node.id,
      fingerprintOf(graph, node, {
        text,
        known: known ?? facts.get(node.id),
        compiled: compiled.get(node.id),
        database,
      }),
    ]),
  );
}

function hasSameValues(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(other).every(([name, value]) => one[name] === value);
}
