import type { ProjectError } from "../../core/errors.ts";
import type { Node } from "../graph/nodes.ts";
import type { Criterion } from "./grammar.ts";
import { unknownMethod, unknownValue } from "./mistakes.ts";
import { globPattern } from "./patterns.ts";
import { RESOURCE_TYPES } from "./words.ts";

/** What is known of a former run: `--state`. */
export interface FormerRun {
  /** `new`, `old`, `modified`, `modified.body`, … as they hold of a node. */
  statesOf(id: string): ReadonlySet<string>;
  /** The status of a node in its run_results.json. */
  statusOf(id: string): string | undefined;
  /** Whether a source has newer records than it had then. */
  isFresher(id: string): boolean;
}

interface Asked {
  criterion: Criterion;
  former: FormerRun | undefined;
}

export interface Method {
  /** The names that a node answers to. */
  namesOf(node: Node, asked: Asked): string[];
  /** Names are compared as they are, without wildcards. */
  isExact?: boolean;
  /** The only values that it has. */
  values?: readonly string[];
  /** Asks for what is so at the moment: to match nothing is no mistake. Needs `--state`. */
  isOfFormerRun?: boolean;
}

const STATES = [
  "new",
  "old",
  "modified",
  "modified.body",
  "modified.configs",
  "modified.relation",
  "modified.persisted_descriptions",
  "modified.macros",
  "modified.contract",
  "unmodified",
];
const STATUSES = ["success", "error", "skipped", "pass", "fail", "warn", "partial success", "no-op"];

const METHODS: Record<string, Method> = {
  fqn: { namesOf: fqnsOf },
  tag: { namesOf: (node) => node.tags },
  path: { namesOf: pathsOf },
  file: { namesOf: fileNamesOf },
  source: { namesOf: sourceNamesOf },
  package: { namesOf: ({ fqn: [project = ""] }) => [project, "this"] },
  resource_type: { namesOf: (node) => [node.kind], values: RESOURCE_TYPES, isExact: true },
  test_type: {
    namesOf: testTypesOf,
    values: ["generic", "singular", "data", "unit", "schema"],
    isExact: true,
  },
  test_name: {
    namesOf: (node) => (node.kind === "test" && node.generic !== null ? [node.generic.type] : []),
  },
  config: { namesOf: configNamesOf, isExact: true },
  access: { namesOf: accessOf, values: ["public", "protected", "private"], isExact: true },
  group: {
    namesOf: (node) => textsOf(attributeOf(node, ["group"]) ?? attributeOf(node, ["config", "group"])),
  },
  version: { namesOf: versionsOf, values: ["latest", "prerelease", "old", "none"], isExact: true },
  state: {
    namesOf: (node, { former }) => [...(former?.statesOf(node.id) ?? [])],
    values: STATES,
    isExact: true,
    isOfFormerRun: true,
  },
  result: {
    namesOf: (node, { former }) => textsOf(former?.statusOf(node.id)),
    values: STATUSES,
    isExact: true,
    isOfFormerRun: true,
  },
  source_status: {
    namesOf: (node, { former }) => (node.kind === "source" && former?.isFresher(node.id) ? ["fresher"] : []),
    values: ["fresher"],
    isExact: true,
    isOfFormerRun: true,
  },
  ...Object.fromEntries(
    ["exposure", "metric", "semantic_model", "saved_query", "unit_test"].map((kind) => [
      kind,
      { namesOf: (node: Node) => (isOfKind(node, kind) ? [node.name, `${node.fqn[0]}.${node.name}`] : []) },
    ]),
  ),
};

/** `selector:` is not among them: it is an expression of its own. */
export const METHOD_NAMES: readonly string[] = [
  ...Object.keys(METHODS).map((name) => (name === "config" ? "config.KEY" : name)),
  "selector",
];

/** The method that a criterion names; `config.…` has its path in its name. */
export function methodOf({ method }: Criterion): Method | undefined {
  const [name = "", ...path] = method.split(".");
  const hasPath = path.length > 0 && path.every((step) => step !== "");
  if ((name === "config") !== hasPath) return undefined;
  return Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
}

/** A method that there is not, or a value that it never has. */
export function methodMistake(criterion: Criterion): ProjectError | undefined {
  const method = methodOf(criterion);
  if (method === undefined) return unknownMethod(criterion, METHOD_NAMES);
  const isKnown = method.values === undefined || method.values.includes(criterion.value);
  return isKnown ? undefined : unknownValue(criterion, method.values ?? []);
}

/** Ids of the nodes that answer to the criterion's value. */
export function matchNodes(nodes: Iterable<Node>, method: Method, asked: Asked): string[] {
  const isMatch = matcherOf(method, asked.criterion);
  const matched: string[] = [];
  for (const node of nodes) if (method.namesOf(node, asked).some(isMatch)) matched.push(node.id);
  return matched;
}

function matcherOf(method: Method, { method: name, value }: Criterion): (name: string) => boolean {
  if (method.isExact) {
    const isLoose = /^(true|false)$/i.test(value) || name === "config.severity";
    const wanted = isLoose ? value.toLowerCase() : value;
    return (candidate) => (isLoose ? candidate.toLowerCase() : candidate) === wanted;
  }
  const isPath = name === "path";
  const pattern = globPattern(isPath ? value.replace(/^\.\//, "") : value, isPath);
  return (candidate) => pattern.test(candidate);
}

/** Of nodes with an SQL or CSV file: the name, and every beginning of the way to it, with the project's name and without. */
function fqnsOf(node: Node): string[] {
  if (node.kind === "source" || isOfKind(node, "exposure")) return [];
  const beginnings = (steps: string[]) => steps.map((_, index) => steps.slice(0, index + 1).join("."));
  return [node.name, ...beginnings(node.fqn), ...beginnings(node.fqn.slice(1))];
}

/** The files that define it, and every folder that they lie in. */
function pathsOf(node: Node): string[] {
  const files = [node.file, ...textsOf(attributeOf(node, ["patchFile"]))];
  return files.flatMap((file) => {
    const steps = file.split("/");
    return steps.map((_, index) => steps.slice(0, index + 1).join("/"));
  });
}

function fileNamesOf(node: Node): string[] {
  const name = node.file.split("/").at(-1) ?? "";
  return [name, name.replace(/\.\w+$/, "")];
}

/** As many parts as the value has: source, source and table, project, source and table. */
function sourceNamesOf(node: Node, { criterion }: Asked): string[] {
  if (node.kind !== "source") return [];
  const parts = [node.fqn[0] ?? "", node.sourceName, node.name];
  const count = criterion.value.split(".").length;
  if (count === 1) return [node.sourceName];
  return count <= 3 ? [parts.slice(-count).join(".")] : [];
}

function testTypesOf(node: Node): string[] {
  if (isOfKind(node, "unit_test")) return ["unit"];
  if (node.kind !== "test") return [];
  return node.generic === null ? ["singular", "data"] : ["generic", "schema", "data"];
}

function configNamesOf(node: Node, { criterion }: Asked): string[] {
  const value = attributeOf(node, ["config", ...criterion.method.split(".").slice(1)]);
  return isMap(value) ? Object.keys(value) : textsOf(value);
}

function accessOf(node: Node): string[] {
  if (node.kind !== "model") return [];
  return textsOf(attributeOf(node, ["config", "access"]) ?? attributeOf(node, ["access"]) ?? "protected");
}

function versionsOf(node: Node): string[] {
  return node.kind === "model" ? ["none"] : [];
}

/** Some kinds of nodes carry names that others do not have. */
function attributeOf(node: Node, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (level, step) => (isMap(level) && Object.hasOwn(level, step) ? level[step] : undefined),
    node,
  );
}

function textsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return value === undefined || value === null || typeof value === "object" ? [] : [String(value)];
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isOfKind(node: Node, kind: string): boolean {
  return node.kind === kind;
}
