import { randomUUID } from "node:crypto";
import type { RelationKind } from "../../../engines/engine.ts";
import { type BuildBook, type BuildRecord, noteForeign, type TestRecord } from "../../../state/builds.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import type { Graph, ReferableNode, TestNode } from "../../graph/nodes.ts";
import type { RelationResult, RunnableNode, TestResult } from "../results.ts";
import type { Fingerprint } from "./fingerprint.ts";
import type { Loads } from "./sources.ts";
import { type Inputs, keyOf, Versions } from "./versions.ts";

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

/** By which a test's verdict is known. */
export function testKey({ schema }: { schema: string }, { id }: TestNode): string {
  return `${schema} ${id}`;
}

/** Decides by what is known before the run. */
export function createReuse(run: Prepared): Reuse {
  return new RunReuse(run);
}

/** What was read before the first decision. */
export interface Prepared extends ReuseWork {
  existing: ReadonlyMap<string, RelationKind>;
  loads: Loads;
  /** Of every node of the run, by id. */
  fingerprints: ReadonlyMap<string, Fingerprint>;
}

class RunReuse implements Reuse {
  private readonly versions: Versions;
  /** What the nodes that run were decided on. */
  private readonly begun = new Map<string, { inputs: Inputs; former: BuildRecord | undefined }>();
  private readonly begunTests = new Map<string, Inputs>();

  constructor(private readonly run: Prepared) {
    this.versions = new Versions(run);
  }

  decide(node: ReferableNode): Decision {
    const { book } = this.run;
    const key = keyOf(node);
    const former = book.builds.get(key);
    const { inputs, whys } = this.versions.inputsOf(node);
    const why =
      this.run.force ?? this.whyNotThere(node, former) ?? this.whyRun(node, { former, inputs, whys });
    if (why === null) {
      this.keep(node, former, inputs);
      return { isReused: true };
    }
    // Until it is made anew nobody may rely on it; nor on what its hooks may write to.
    book.builds.delete(key);
    this.begun.set(node.id, { inputs, former });
    if (node.kind === "model" && node.hooks.pre.length + node.hooks.post.length > 0) noteForeign(book);
    return { isReused: false, why };
  }

  /** A text that means the same is remembered, so that the engine is not asked about it again. */
  private keep(node: ReferableNode, former: BuildRecord | undefined, inputs: Inputs): void {
    if (former === undefined) throw new Error(`nothing is known of ${node.id}`);
    const fingerprint = this.fingerprintOf(node);
    if (former.text !== fingerprint.text)
      this.run.book.builds.set(keyOf(node), { ...former, text: fingerprint.text });
    this.versions.set(node, { fingerprint, inputs, version: former.version });
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
    this.versions.set(node, { fingerprint: this.fingerprintOf(node), inputs, version });
  }

  decideTest(node: TestNode): ReturnType<Reuse["decideTest"]> {
    const { book, isStored } = this.run;
    const key = testKey(this.run, node);
    const former = book.tests.get(key);
    const { inputs, whys } = this.versions.inputsOf(node);
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
    const name = this.versions.nameOf(id);
    if (!isKnown) return `it reads ${name} now`;
    switch (node?.kind) {
      case "source": {
        const found = this.versions.versionOf(id);
        const isLoaded = "version" in found && found.version.startsWith("load ");
        return isLoaded ? `${name} has a new load` : `${name} may have been written to`;
      }
      case "seed":
        return `${name} was loaded anew`;
      case "snapshot":
        return `${name} has new rows`;
      default:
        return node?.kind === "model" && node.config.materialized === "view"
          ? `${name} changed`
          : `${name} was rebuilt`;
    }
  }
}
