import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { Mistakes } from "./collect.ts";
import type { ReferableNode, RelationNode, SourceNode } from "./nodes.ts";
import { type Literal, parseTemplate, type Template, type TemplateUse } from "./template.ts";

/** The models, seeds and sources of a project by the names that `ref` and `source` use. */
export interface NameIndex {
  projectName: string;
  models: ReadonlyMap<string, ReferableNode>;
  /** Keyed `source.table`. */
  sources: ReadonlyMap<string, SourceNode>;
  /** Models and seeds that exist but are switched off. */
  disabled: ReadonlySet<string>;
}

/** What an argument list of `ref` or `source` names. Throws REF_* or SOURCE_* (exit 2) at `where`. */
export function resolveReference(
  index: NameIndex,
  call: { name: string; args: readonly (Literal | undefined)[]; where: string },
): RelationNode {
  const names = call.args.filter((argument) => typeof argument === "string");
  if (names.length !== call.args.length || names.length === 0 || names.length > 2) {
    const example = call.name === "ref" ? "ref('stg_tracks')" : "source('moovitamix', 'tracks')";
    throw referenceError(
      "REF_ARGUMENTS",
      call.where,
      `${call.name}() takes names in quotes`,
      [],
      `write ${example}`,
    );
  }
  return call.name === "ref" ? resolveRef(index, names, call.where) : resolveSource(index, names, call.where);
}

function resolveRef(index: NameIndex, names: readonly string[], where: string): ReferableNode {
  const name = names.at(-1) ?? "";
  const packageName = names.length === 2 ? names[0] : index.projectName;
  if (packageName !== index.projectName) {
    const message = `unknown package "${packageName}" in ref()`;
    throw referenceError(
      "PACKAGE_UNKNOWN",
      where,
      message,
      [`this project is "${index.projectName}"`],
      "name this project, or leave the package out",
    );
  }
  const model = index.models.get(name);
  if (model !== undefined) return model;
  if (index.disabled.has(name)) {
    throw referenceError(
      "REF_DISABLED",
      where,
      `ref("${name}") names a model that is switched off`,
      [],
      "set enabled: true for it, or remove this ref",
    );
  }
  const near = nearestLine(name, index.models.keys());
  throw referenceError(
    "REF_UNKNOWN",
    where,
    `unknown model "${name}" in ref()`,
    near,
    `correct the name, or add ${name}.sql below models/`,
  );
}

function resolveSource(index: NameIndex, names: readonly string[], where: string): SourceNode {
  if (names.length !== 2) {
    throw referenceError(
      "REF_ARGUMENTS",
      where,
      "source() takes two names",
      [],
      "write source('moovitamix', 'tracks')",
    );
  }
  const key = names.join(".");
  const source = index.sources.get(key);
  if (source !== undefined) return source;
  const near = nearestLine(key, index.sources.keys());
  throw referenceError(
    "SOURCE_UNKNOWN",
    where,
    `unknown table "${key}" in source()`,
    near,
    "correct the names, or add the table under sources: in a YAML file below models/",
  );
}

function referenceError(
  code: string,
  where: string,
  message: string,
  why: string[],
  hint: string,
): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}

/** The node that a YAML value such as `ref('dim_users')` names. */
export function resolveArgument(index: NameIndex, value: string, where: string): RelationNode {
  const call = callIn(value);
  if (call === undefined) {
    throw referenceError(
      "REF_ARGUMENTS",
      where,
      `"${value}" names no relation`,
      [],
      "write ref('model') or source('source', 'table')",
    );
  }
  return resolveReference(index, { ...call, where });
}

/** The `ref` or `source` call in a text, in braces or without. */
function callIn(value: string): TemplateUse | undefined {
  const bare = value.replace(/^\s*\{\{|\}\}\s*$/g, "");
  try {
    return parseTemplate("", `{{ ${bare} }}`).uses.find((use) => use.isCall && isReference(use));
  } catch {
    return undefined; // Its mistakes have no place in a file: the caller names the whole value.
  }
}

function isReference(use: TemplateUse): boolean {
  return use.name === "ref" || use.name === "source";
}

/** Ids of the nodes that a template reads, in order of their first mention. */
export function dependenciesOf(index: NameIndex, template: Template, mistakes: Mistakes): string[] {
  const ids = template.uses
    .filter((use) => use.isCall && isReference(use))
    .flatMap((use) => mistakes.attempt(() => resolveReference(index, use))?.id ?? []);
  return [...new Set(ids)];
}

/** Names that every template knows besides the engine's helpers. */
const CALLS = ["ref", "source", "var", "env_var", "config", "is_incremental", "log", "list", "dict"];
const BLOCKS = ["if", "each", "unless", "with", "lookup"];
const VALUES = ["target", "run_started_at", "invocation_id"];

/** Adds an error for every name in the template that nothing defines. */
export function checkNames(
  template: Template,
  scope: {
    helpers: readonly string[];
    /** Whether `this` means a relation. */
    hasRelation: boolean;
    /** Names that only this template knows. */
    values?: readonly string[];
  },
  mistakes: Mistakes,
): void {
  const calls = [...CALLS, ...BLOCKS, ...scope.helpers];
  const values = [...(scope.hasRelation ? ["this"] : []), ...(scope.values ?? []), ...VALUES];
  for (const use of template.uses) {
    const known = use.isCall ? calls : values;
    if (known.includes(use.name)) continue;
    const isMissingParentheses = !use.isCall && calls.includes(use.name);
    mistakes.add(
      new ProjectError("TEMPLATE_NAME_UNKNOWN", {
        message: isMissingParentheses
          ? `"${use.name}" is a call and has no arguments here`
          : `unknown ${use.isCall ? "helper" : "name"} "${use.name}" in the template`,
        where: use.where,
        why: nearestLine(use.name, use.isCall ? calls : [...values, ...calls]),
        hint: isMissingParentheses
          ? `write {{ ${use.name}(…) }}`
          : "correct the name; docs/from-dbt.md lists what templates know",
        exitCode: EXIT.usage,
      }),
    );
  }
}
