import { type RelationKind, relationKey } from "../../../engines/engine.ts";
import type { BuildBook, BuildRecord } from "../../../state/builds.ts";
import { readsOf } from "../../graph/ephemeral.ts";
import type { Graph, ReferableNode } from "../../graph/nodes.ts";
import { type Fingerprint, hashOf } from "./fingerprint.ts";
import { type Loads, sourceVersion, type Version } from "./sources.ts";

/** Versions of what a node reads, by id; null for what has none. */
export type Inputs = BuildRecord["inputs"];

/** By which a relation is known. */
export function keyOf({ relation }: ReferableNode): string {
  return relationKey(relation);
}

/** The versions of everything that can be read, at this moment of a run. */
export class Versions {
  private readonly known = new Map<string, Version>();
  private readonly ownKeys: ReadonlySet<string>;

  constructor(
    private readonly run: {
      graph: Graph;
      book: BuildBook;
      existing: ReadonlyMap<string, RelationKind>;
      loads: Loads;
    },
  ) {
    this.ownKeys = new Set(
      [...run.graph.nodes.values()].flatMap((node) =>
        node.kind === "model" || node.kind === "seed" || node.kind === "snapshot" ? [keyOf(node)] : [],
      ),
    );
  }

  /** The node is there now, made anew or as it was, and consists of this. */
  set(node: ReferableNode, made: { fingerprint: Fingerprint; inputs: Inputs; version: string }): void {
    const { fingerprint, inputs, version } = made;
    const isView = node.config.materialized === "view";
    this.known.set(node.id, isView ? this.viewVersion(fingerprint, inputs) : { version });
  }

  /** The versions of all that a node reads, and why some have none. */
  inputsOf(node: { dependsOn: readonly string[] }): { inputs: Inputs; whys: Map<string, string> } {
    const inputs: Inputs = {};
    const whys = new Map<string, string>();
    for (const id of readsOf(this.run.graph, node)) {
      const found = this.versionOf(id);
      inputs[id] = "version" in found ? found.version : null;
      if ("unknown" in found) whys.set(id, `${this.nameOf(id)} ${found.unknown}`);
    }
    return { inputs, whys };
  }

  /** As its readers call it. */
  nameOf(id: string): string {
    const node = this.run.graph.nodes.get(id);
    return node?.kind === "source" ? `${node.sourceName}.${node.name}` : (node?.name ?? id);
  }

  /** Of one node. */
  versionOf(id: string): Version {
    const known = this.known.get(id);
    if (known !== undefined) return known;
    const { graph, book, loads, existing } = this.run;
    const node = graph.nodes.get(id);
    if (node?.kind === "source") {
      const { builds, foreign } = book;
      return sourceVersion(node, { loads, existing, made: this.ownKeys, builds, foreign });
    }
    if (node === undefined || !("relation" in node) || node.kind === "test")
      return { unknown: "is not there" };
    if (!existing.has(keyOf(node))) return { unknown: "is missing" };
    const record = book.builds.get(keyOf(node));
    if (record?.id !== id) return { unknown: "was built, and nothing is known of how" };
    const version = this.recordedVersion(record, existing.get(keyOf(node)));
    this.known.set(id, version);
    return version;
  }

  /** Of a node that this run does not touch. What a view shows is what its parents hold now. */
  private recordedVersion(record: BuildRecord, kind: RelationKind | undefined): Version {
    if (kind !== "view") return { version: record.version };
    const { inputs } = this.inputsOf({ dependsOn: Object.keys(record.inputs) });
    return this.viewVersion(record, inputs);
  }

  private viewVersion({ query, unstable }: Fingerprint, inputs: Inputs): Version {
    if (unstable !== null) return { unknown: unstable };
    const unknown = Object.keys(inputs).find((id) => inputs[id] === null);
    if (unknown !== undefined) return { unknown: `reads ${this.nameOf(unknown)}` };
    return { version: hashOf(query, inputs) };
  }
}
