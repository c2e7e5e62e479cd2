import type { ManifestEntry } from "../../artifacts/manifest.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Node } from "../../runner/graph/nodes.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { manifestEntries } from "../../runner/to-artifacts/manifest.ts";
import type { LsOutput } from "../options.ts";
import type { Outcome } from "../outcome.ts";
import { plural } from "../print.ts";
import { chooseNodes } from "../selection.ts";
import { openGraph, type Workspace } from "../workspace.ts";

export interface LsOptions extends SelectionOptions {
  output: LsOutput;
  outputKeys?: readonly string[];
}

/** `run ls`: what a selection chooses, one a line. */
export function runLs(workspace: Workspace, options: LsOptions): Outcome {
  const scope = openGraph(workspace);
  const selected = chooseNodes(workspace, scope, { ...options, mayBeEmpty: true });
  const nodes = [...scope.graph.nodes.values()]
    .filter(({ id }) => selected.has(id))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const isJson = options.output === "json" || workspace.options.json === true;
  const entries = isJson ? manifestEntries(scope) : new Map<string, ManifestEntry>();
  const keys = (options.outputKeys ?? KEYS).flatMap((word) => word.split(/[\s,]+/)).filter(Boolean);
  if (options.outputKeys && isJson) checkKeys(keys, entries);
  const documentOf = ({ id }: Node) => pick(entries.get(id) ?? {}, keys);
  const lines = nodes.map((node) =>
    options.output === "json" ? JSON.stringify(documentOf(node)) : WORDS[options.output](node),
  );
  if (nodes.length === 0) workspace.ctx.log.warn("selection_empty", "the selection leaves no node");
  return {
    exitCode: EXIT.ok,
    summary: plural(nodes.length, "node"),
    text: lines.join("\n"),
    json: { nodes: isJson ? nodes.map(documentOf) : [] },
  };
}

/** What of the manifest `--output json` shows unless `--output-keys` says it; dbt's list. */
const KEYS = [
  "alias",
  "name",
  "package_name",
  "depends_on",
  "tags",
  "config",
  "resource_type",
  "source_name",
  "original_file_path",
  "unique_id",
];

const WORDS: Record<Exclude<LsOutput, "json">, (node: Node) => string> = {
  selector: selectorOf,
  name: (node) => (node.kind === "source" ? `${node.sourceName}.${node.name}` : node.name),
  path: (node) => node.file,
};

/** What `--select` takes for this node alone. */
function selectorOf(node: Node): string {
  const project = node.fqn[0];
  if (node.kind === "source") return `source:${project}.${node.sourceName}.${node.name}`;
  if (node.kind === "model" || node.kind === "test") return node.fqn.join(".");
  return otherSelector(node);
}

/** Exposures and unit tests are named by their kind, the rest as models are. */
function otherSelector({ kind, name, fqn }: Pick<Node, "name" | "fqn"> & { kind: string }): string {
  return kind === "exposure" || kind === "unit_test" ? `${kind}:${fqn[0]}.${name}` : fqn.join(".");
}

/** Throws LS_USAGE for a key that no node of the project has. */
function checkKeys(keys: readonly string[], entries: ReadonlyMap<string, ManifestEntry>): void {
  const known = new Set([...KEYS, ...[...entries.values()].flatMap((entry) => Object.keys(entry))]);
  for (const key of keys) {
    if (known.has(key) || known.has(key.split(".")[0] ?? "")) continue;
    throw new ProjectError("LS_USAGE", {
      message: `no node has the key "${key}"`,
      where: "--output-keys",
      why: nearestLine(key, known),
      hint: "give keys of nodes of manifest.json, such as name, or config.materialized inside another",
      exitCode: EXIT.usage,
    });
  }
}

/** The keys that the entry has; `config.materialized` is a key inside another. */
function pick(entry: ManifestEntry, keys: readonly string[]): Record<string, unknown> {
  const valueAt = (key: string) =>
    Object.hasOwn(entry, key)
      ? entry[key]
      : key.split(".").reduce<unknown>((level, step) => (level as ManifestEntry | undefined)?.[step], entry); // any value may be asked so
  return Object.fromEntries(
    keys.flatMap((key) => {
      const value = valueAt(key);
      return value === undefined ? [] : [[key, value]];
    }),
  );
}
