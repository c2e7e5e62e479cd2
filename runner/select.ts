import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { Graph, Node } from "./nodes.ts";

/** What the command line chooses; absent: everything. */
export interface SelectionOptions {
  select?: readonly string[];
  exclude?: readonly string[];
}

/** dbt's grammar: `@`, parents with depth, method, value, children with depth. */
const CRITERION =
  /^(?<around>@)?(?:(?<parentDepth>\d*)(?<parents>\+))?(?:(?<method>[\w.]+):)?(?<value>.*?)(?:(?<children>\+)(?<childDepth>\d*))?$/;

/** Of each method, the names that a node answers to. */
const METHODS = new Map<string, (node: Node) => string[]>([
  ["fqn", fqnsOf],
  ["tag", (node) => node.tags],
  ["path", pathsOf],
  ["file", fileNamesOf],
  ["source", (node) => (node.kind === "source" ? [node.sourceName, `${node.sourceName}.${node.name}`] : [])],
  ["resource_type", (node) => [node.kind]],
  ["test_type", (node) => (node.kind === "test" ? [node.generic ? "generic" : "singular"] : [])],
  ["test_name", (node) => (node.kind === "test" && node.generic !== null ? [node.generic.type] : [])],
]);

/** The name, and every beginning of the way to it, with the project's name and without. */
function fqnsOf(node: Node): string[] {
  const beginnings = (steps: string[]) => steps.map((_, index) => steps.slice(0, index + 1).join("."));
  return [node.name, ...beginnings(node.fqn), ...beginnings(node.fqn.slice(1))];
}

/** The files that define it, and every folder that they lie in. */
function pathsOf(node: Node): string[] {
  const files = node.kind === "model" && node.patchFile !== null ? [node.file, node.patchFile] : [node.file];
  return files.flatMap((file) => {
    const steps = file.split("/");
    return steps.map((_, index) => steps.slice(0, index + 1).join("/"));
  });
}

function fileNamesOf(node: Node): string[] {
  const name = node.file.split("/").at(-1) ?? "";
  return [name, name.replace(/\.\w+$/, "")];
}

/**
 * Ids of the chosen nodes, tests on them included. A space or a repeated option unites, a comma intersects.
 * Throws ProjectErrors SELECTION_EMPTY or SELECTION_INVALID (exit 2), naming what is near.
 */
export function selectNodes(graph: Graph, options: SelectionOptions): Set<string> {
  const criteria = splitWords(options.select ?? []);
  const errors: ProjectError[] = [];
  const chosen =
    criteria.length === 0
      ? new Set(graph.nodes.keys())
      : matchAll(graph, criteria, { option: "--select", errors });
  const excluded = matchAll(graph, splitWords(options.exclude ?? []), { option: "--exclude", errors });
  if (errors.length > 0) throw new ProjectErrors(errors);
  for (const id of excluded) chosen.delete(id);
  return chosen;
}

function splitWords(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(/\s+/)).filter((word) => word !== "");
}

interface MatchTo {
  /** For people: where the criteria were given. */
  option: string;
  errors: ProjectError[];
}

function matchAll(graph: Graph, criteria: readonly string[], to: MatchTo): Set<string> {
  const matched = new Set<string>();
  for (const criterion of criteria) {
    const parts = criterion.split(",").map((part) => withTests(graph, matchOne(graph, part, to)));
    const [first = new Set<string>(), ...others] = parts;
    const ids = [...first].filter((id) => others.every((other) => other.has(id)));
    if (ids.length === 0 && parts.every((part) => part.size > 0))
      to.errors.push(emptySelection(criterion, to.option, []));
    for (const id of ids) matched.add(id);
  }
  return matched;
}

function matchOne(graph: Graph, text: string, to: MatchTo): Set<string> {
  const {
    around,
    parents,
    parentDepth,
    method: givenMethod,
    value = "",
    children,
    childDepth,
  } = CRITERION.exec(text)?.groups ?? {};
  const method = givenMethod ?? defaultMethod(value);
  if (around && children) {
    to.errors.push(aroundWithChildren(text, to.option));
    return new Set();
  }
  const namesOf = METHODS.get(method);
  if (namesOf === undefined) {
    to.errors.push(unknownMethod(text, method, to.option));
    return new Set();
  }
  const pattern = globPattern(method === "path" ? value.replace(/^\.\//, "") : value, method === "path");
  const nodes = [...graph.nodes.values()];
  const matched = nodes
    .filter((node) => namesOf(node).some((name) => pattern.test(name)))
    .map(({ id }) => id);
  if (matched.length === 0) {
    const known = method === "fqn" ? knownNames(nodes) : nodes.flatMap(namesOf);
    to.errors.push(emptySelection(text, to.option, nearestLine(value, known)));
  }
  const selected = new Set(matched);
  if (children || around)
    addRelated(selected, matched, { next: (id) => graph.children.get(id) ?? [], depth: depthOf(childDepth) });
  const parentStart = around ? [...selected] : matched;
  if (parents || around) {
    addRelated(selected, parentStart, {
      next: (id) => graph.nodes.get(id)?.dependsOn ?? [],
      depth: depthOf(parentDepth),
    });
  }
  return selected;
}

function depthOf(text: string | undefined): number {
  return text === undefined || text === "" ? Number.POSITIVE_INFINITY : Number(text);
}

function addRelated(
  selected: Set<string>,
  start: readonly string[],
  { next, depth }: { next: (id: string) => readonly string[]; depth: number },
): void {
  const visited = new Set(start);
  let frontier = [...start];
  for (let step = 0; step < depth && frontier.length > 0; step++) {
    frontier = [...new Set(frontier.flatMap(next))].filter((id) => !visited.has(id));
    for (const id of frontier) {
      visited.add(id);
      selected.add(id);
    }
  }
}

function defaultMethod(value: string): string {
  if (value.includes("/")) return "path";
  return /\.(sql|ya?ml|csv)$/.test(value) ? "file" : "fqn";
}

/** Shell wildcards; in a path, `*` stays within one folder and `**` does not. */
function globPattern(value: string, isPath: boolean): RegExp {
  const wildcards: Record<string, string> = { "?": ".", "*": isPath ? "[^/]*" : ".*", "**/": "(?:.*/)?" };
  const body = value
    .replace(/\/+$/, "")
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*\*\/|\*+|\?/g, (wildcard) => wildcards[wildcard] ?? ".*")
    .replaceAll("[!", "[^");
  try {
    return new RegExp(`^${body}$`, "s");
  } catch {
    return new RegExp(`^${body.replace(/[[\]]/g, "\\$&")}$`, "s"); // an unclosed bracket stands for itself
  }
}

/** What a person who names a node may have meant: models, sources and their folders. */
function knownNames(nodes: readonly Node[]): string[] {
  return nodes
    .filter((node) => node.kind !== "test")
    .flatMap((node) => [node.name, ...node.fqn.slice(1, -1)]);
}

/** dbt's eager mode: a test goes with any node that it looks at. */
function withTests(graph: Graph, selected: Set<string>): Set<string> {
  for (const id of [...selected]) {
    for (const child of graph.children.get(id) ?? []) {
      if (graph.nodes.get(child)?.kind === "test") selected.add(child);
    }
  }
  return selected;
}

function emptySelection(criterion: string, option: string, why: string[]): ProjectError {
  return new ProjectError("SELECTION_EMPTY", {
    message: `"${criterion}" matches nothing`,
    where: option,
    why,
    hint: "give the name of a model or a folder, tag:NAME, or path:models/…",
    exitCode: EXIT.usage,
  });
}

function aroundWithChildren(criterion: string, option: string): ProjectError {
  return new ProjectError("SELECTION_INVALID", {
    message: `"${criterion}" has both @ and a + at its end`,
    where: option,
    hint: "remove the +: @ takes the descendants already, and all that they need",
    exitCode: EXIT.usage,
  });
}

function unknownMethod(criterion: string, method: string, option: string): ProjectError {
  const known = [...METHODS.keys()];
  return new ProjectError("SELECTION_INVALID", {
    message: `unknown method "${method}:" in "${criterion}"`,
    where: option,
    why: nearestLine(method, known),
    hint: `known methods: ${known.join(", ")}`,
    exitCode: EXIT.usage,
  });
}
