import { randomUUID } from "node:crypto";
import { type Engine, type RelationKind, relationKey } from "../../../engines/engine.ts";
import { type BuildBook, type BuildRecord, noteForeign, type TestRecord } from "../../../state/builds.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import { readsOf } from "../../graph/ephemeral.ts";
import { type Graph, type ReferableNode, sourcesOf, type TestNode } from "../../graph/nodes.ts";
import type { RelationResult, RunnableNode, TestResult } from "../results.ts";
import { type Fingerprint, fingerprintOf, hashOf, queryOf, textHash } from "./fingerprint.ts";
import { type Loads, readLoads, sourceVersion, type Version } from "./sources.ts";

/** Whether what is there is what would be made anew, and why it is not. */
export type Decision = { isReused: true } | { isReused: false; why: string };

/** Decides what of a run is left as it is, and remembers what was made. */
export interface Reuse {
  /** To be asked when all that the node reads is done, just before it would run. */
  decide(node: ReferableNode): Decision;
  /** Only a test that passed is reused, with the rows that it found. */
  decideTest(node: TestNode): { isReused: true; failures: number | null } | { isReused: false };
  /** To be told of every node that was not reused. */
  made(result: RelationResult): void;
  tested(result: TestResult): void;
}

export interface ReuseWork {
  graph: Graph;
  nodes: readonly RunnableNode[];
  compiled: ReadonlyMap<string, CompiledNode>;
  /** SQL for what a snapshot is taken of, where that is no relation; by the snapshot's id. */
  snapshotSources: ReadonlyMap<string, string>;
  /** What is known of the warehouse. It is kept up to date. */
  book: BuildBook;
  /** What everything is made with: versions and settings, by the words for them. */
  place: Readonly<Record<string, string>>;
  /** The warehouse's own name. */
  database: string;
  /** The target's schema. */
  schema: string;
  /** Why all is made anew, if it is. */
  force: string | null;
  /** Whether the failing rows of this test are kept. */
  isStored: (node: TestNode) => boolean;
}

/** Reads what has to be known before the first decision, in a few statements for all nodes. */
export async function prepareReuse(engine: Engine, work: ReuseWork): Promise<Reuse> {
  const existing = await engine.relations();
  const loads = await readLoads(engine, sourcesOf(work.graph), existing);
  return new RunReuse({ ...work, existing, loads, fingerprints: await fingerprintsOf(engine, work) });
}

async function fingerprintsOf(engine: Engine, work: ReuseWork): Promise<Map<string, Fingerprint>> {
  const { graph, compiled, snapshotSources, book, place, database } = work;
  const snapshotQuery = (id: string) => {
    const source = graph.nodes.get(graph.nodes.get(id)?.dependsOn[0] ?? "");
    if (source === undefined || source.kind === "test" || source.kind === "exposure") return "";
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

function keyOf({ relation }: ReferableNode): string {
  return relationKey(relation);
}

function testKey({ schema }: { schema: string }, { id }: TestNode): string {
  return `${schema} ${id}`;
}

type Inputs = BuildRecord["inputs"];

class RunReuse implements Reuse {
  private readonly versions = new Map<string, Version>();
  /** What the nodes that run were decided on. */
  private readonly begun = new Map<string, { inputs: Inputs; former: BuildRecord | undefined }>();
  private readonly begunTests = new Map<string, Inputs>();
  private readonly ownKeys: ReadonlySet<string>;

  constructor(
    private readonly run: ReuseWork & {
      existing: ReadonlyMap<string, RelationKind>;
      loads: Loads;
      fingerprints: ReadonlyMap<string, Fingerprint>;
    },
  ) {
    this.ownKeys = new Set(
      [...run.graph.nodes.values()].flatMap((node) =>
        node.kind === "model" || node.kind === "seed" || node.kind === "snapshot" ? [keyOf(node)] : [],
      ),
    );
  }

  decide(node: ReferableNode): Decision {
    const { book } = this.run;
    const key = keyOf(node);
    const former = book.builds.get(key);
    const { inputs, whys } = this.inputsOf(node);
    const why =
      this.run.force ?? this.whyNotThere(node, former) ?? this.whyRun(node, { former, inputs, whys });
    if (why === null) {
      this.versions.set(node.id, this.versionMade(node, inputs, former?.version ?? ""));
      return { isReused: true };
    }
    // Until it is made anew nobody may rely on it; nor on what its hooks may write to.
    book.builds.delete(key);
    this.begun.set(node.id, { inputs, former });
    if (node.kind === "model" && node.hooks.pre.length + node.hooks.post.length > 0) noteForeign(book);
    return { isReused: false, why };
  }

  made({ node, status, isUnchanged }: RelationResult): void {
    const begun = this.begun.get(node.id);
    if (begun === undefined) throw new Error(`${node.id} was not decided on`);
    if (status !== "success") return;
    const { inputs, former } = begun;
    const version = isUnchanged === true && former !== undefined ? former.version : randomUUID();
    const { place, book } = this.run;
    book.builds.set(keyOf(node), {
      ...this.fingerprintOf(node),
      id: node.id,
      inputs,
      place: { ...place },
      version,
    });
    this.versions.set(node.id, this.versionMade(node, inputs, version));
  }

  decideTest(node: TestNode): ReturnType<Reuse["decideTest"]> {
    const { book, isStored } = this.run;
    const key = testKey(this.run, node);
    const former = book.tests.get(key);
    const { inputs, whys } = this.inputsOf(node);
    const isAsked = this.run.force !== null || isStored(node) || former === undefined;
    if (!isAsked && this.whyRun(node, { former, inputs, whys }) === null)
      return { isReused: true, failures: former.failures };
    book.tests.delete(key);
    this.begunTests.set(node.id, inputs);
    return { isReused: false };
  }

  tested({ node, status, failures }: TestResult): void {
    const { book, place } = this.run;
    const inputs = this.begunTests.get(node.id);
    if (status !== "pass" || inputs === undefined) return;
    book.tests.set(testKey(this.run, node), {
      ...this.fingerprintOf(node),
      place: { ...place },
      inputs,
      failures,
    });
  }

  private fingerprintOf({ id }: RunnableNode): Fingerprint {
    const fingerprint = this.run.fingerprints.get(id);
    if (fingerprint === undefined) throw new Error(`${id} is not in this run`);
    return fingerprint;
  }

  private whyNotThere(node: ReferableNode, former: BuildRecord | undefined): string | null {
    const { book, existing } = this.run;
    const key = keyOf(node);
    const kind = existing.get(key);
    const wanted = node.config.materialized === "view" ? "view" : "table";
    const isKnown = former !== undefined || book.former.has(key);
    if (kind === undefined) return isKnown ? `its ${wanted} is missing` : "never built";
    if (book.state === "changed" && former === undefined)
      return book.isCut
        ? "the command before this one was cut short"
        : "the warehouse was changed outside of this project";
    if (former?.id !== node.id) return "its last build failed, or is not known";
    return kind === wanted || former.config !== this.fingerprintOf(node).config
      ? null
      : `its ${wanted} became a ${kind}`;
  }

  private whyRun(
    node: RunnableNode,
    {
      former,
      inputs,
      whys,
    }: {
      former: Omit<TestRecord, "failures"> | undefined;
      inputs: Inputs;
      whys: ReadonlyMap<string, string>;
    },
  ): string | null {
    const now = this.fingerprintOf(node);
    if (now.unstable !== null) return now.unstable;
    if (former === undefined) return null;
    if (former.text !== now.text && former.query !== now.query)
      return node.kind === "seed" ? "its file changed" : "its SQL changed";
    if (former.config !== now.config) return "its configuration changed";
    for (const [name, value] of Object.entries(this.run.place))
      if (former.place[name] !== value) return `${name} changed`;
    for (const [id, version] of Object.entries(inputs)) {
      if (version === null) return whys.get(id) ?? "";
      if (former.inputs[id] !== version) return this.whyOther(id, Object.hasOwn(former.inputs, id));
    }
    return null;
  }

  private whyOther(id: string, isKnown: boolean): string {
    const node = this.run.graph.nodes.get(id);
    const name = node?.kind === "source" ? `${node.sourceName}.${node.name}` : (node?.name ?? id);
    if (!isKnown) return `it reads ${name} now`;
    if (node?.kind === "source")
      return this.versionText(id).startsWith("load ")
        ? `${name} has a new load`
        : `${name} may have been written to`;
    if (node?.kind === "seed") return `${name} was loaded anew`;
    if (node?.kind === "snapshot") return `${name} has new rows`;
    return node?.kind === "model" && node.config.materialized === "view"
      ? `${name} changed`
      : `${name} was rebuilt`;
  }

  private versionText(id: string): string {
    const found = this.versionOf(id);
    return "version" in found ? found.version : "";
  }

  /** The versions of all that a node reads, and why some have none. */
  private inputsOf(node: { dependsOn: readonly string[] }): { inputs: Inputs; whys: Map<string, string> } {
    const inputs: Inputs = {};
    const whys = new Map<string, string>();
    for (const id of readsOf(this.run.graph, node)) {
      const found = this.versionOf(id);
      inputs[id] = "version" in found ? found.version : null;
      if ("unknown" in found) whys.set(id, `${this.nameOf(id)} ${found.unknown}`);
    }
    return { inputs, whys };
  }

  private nameOf(id: string): string {
    const node = this.run.graph.nodes.get(id);
    return node?.kind === "source" ? `${node.sourceName}.${node.name}` : (node?.name ?? id);
  }

  private versionOf(id: string): Version {
    const known = this.versions.get(id);
    if (known !== undefined) return known;
    const { graph, book, loads, existing } = this.run;
    const node = graph.nodes.get(id);
    if (node?.kind === "source") {
      const { builds, foreign } = book;
      return sourceVersion(node, { loads, existing, made: this.ownKeys, builds, foreign });
    }
    if (node === undefined || node.kind === "test" || node.kind === "exposure")
      return { unknown: "is not there" };
    if (!existing.has(keyOf(node))) return { unknown: "is missing" };
    const record = book.builds.get(keyOf(node));
    if (record?.id !== id) return { unknown: "was built, and nothing is known of how" };
    const version = this.recordedVersion(record, existing.get(keyOf(node)));
    this.versions.set(id, version);
    return version;
  }

  /** Of a node that this run does not touch. What a view shows is what its parents hold now. */
  private recordedVersion(record: BuildRecord, kind: RelationKind | undefined): Version {
    if (kind !== "view") return { version: record.version };
    const { inputs } = this.inputsOf({ dependsOn: Object.keys(record.inputs) });
    return this.viewVersion(record, inputs);
  }

  private versionMade(node: ReferableNode, inputs: Inputs, version: string): Version {
    return node.config.materialized === "view"
      ? this.viewVersion(this.fingerprintOf(node), inputs)
      : { version };
  }

  private viewVersion({ query, unstable }: Fingerprint, inputs: Inputs): Version {
    if (unstable !== null) return { unknown: unstable };
    const unknown = Object.keys(inputs).find((id) => inputs[id] === null);
    if (unknown !== undefined) return { unknown: `reads ${this.nameOf(unknown)}` };
    return { version: hashOf(query, inputs) };
  }
}
