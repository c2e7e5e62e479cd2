import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Mistakes } from "../project/collect.ts";
import type { Macro, Macros } from "../templates/macro.ts";
import { bindArguments } from "../templates/signature.ts";
import { type Literal, parseTemplate, type Template, type TemplateUse } from "../templates/template.ts";
import type { ReferableNode, RelationNode, SourceNode } from "./nodes.ts";

/** The models, seeds and sources of a project by the names that `ref` and `source` use. */
export interface NameIndex {
  projectName: string;
  models: ReadonlyMap<string, ReferableNode>;
  /** Keyed `source.table`. */
  sources: ReadonlyMap<string, SourceNode>;
  /** Models and seeds that exist but are switched off. */
  disabled: ReadonlySet<string>;
  /** Models whose own mistakes are reported: what refers to them is no mistake. */
  unread: ReadonlySet<string>;
  macros: Macros;
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

export function isReference(use: TemplateUse): boolean {
  return use.name === "ref" || use.name === "source";
}

/** Ids of the nodes that a template and the macros that it calls read, in order of their first mention. */
export function dependenciesOf(index: NameIndex, template: Template, mistakes: Mistakes): string[] {
  const ids = template.uses.flatMap((use) => {
    if (use.name === "ref" && index.unread.has(String(use.args.at(-1)))) return [];
    if (use.isCall && isReference(use)) return mistakes.attempt(() => resolveReference(index, use))?.id ?? [];
    const macro = index.macros.get(use.name);
    return macro === undefined ? [] : macroDependencies(index, macro, { use, mistakes, path: [] });
  });
  return [...new Set(ids)];
}

/** What a call of a macro makes its caller read: literal references, and those that its arguments name. */
function macroDependencies(
  index: NameIndex,
  macro: Macro,
  call: { use: TemplateUse; mistakes: Mistakes; path: readonly Macro[] },
): string[] {
  if (macro.kind !== "template" || call.path.includes(macro)) return [];
  const { mistakes, use: site } = call;
  const given = Object.fromEntries(bindArguments<Literal | undefined>(macro.parameters, site));
  const fill = (value: Literal | undefined, name: string | undefined) =>
    value ?? (name === undefined ? undefined : (given[name] ?? undefined));
  return macro.template.uses.flatMap((inner) => {
    const args = inner.args.map((value, at) => fill(value, inner.passed?.args[at]));
    const named = Object.entries(inner.named).map(([key, value]) => [
      key,
      fill(value, inner.passed?.named[key]),
    ]);
    const use = { ...inner, args, named: Object.fromEntries(named), where: site.where };
    const next = index.macros.get(inner.name);
    if (next !== undefined) {
      return macroDependencies(index, next, { use, mistakes, path: [...call.path, macro] });
    }
    const isKnown = inner.isCall && isReference(inner) && args.every((value) => typeof value === "string");
    if (!isKnown) return [];
    // What a macro names by itself is checked once, with the macro.
    const isOwn = inner.args.every((value) => value !== undefined);
    const attempt = isOwn ? attemptQuietly : <T>(work: () => T) => mistakes.attempt(work);
    return attempt(() => resolveReference(index, use))?.id ?? [];
  });
}

function attemptQuietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined; // checkMacros reports it.
  }
}
