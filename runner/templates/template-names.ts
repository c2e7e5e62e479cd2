import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Dialect } from "../../engines/engine.ts";
import { isReference, type NameIndex, resolveReference } from "../graph/references.ts";
import type { Mistakes } from "../project/collect.ts";
import type { Macros } from "./macro.ts";
import { argumentProblems, type Parameter, parseParameters, signatureText } from "./signature.ts";
import { type Template, type TemplateContext, type TemplateUse, VALUES } from "./template.ts";

/** Names that every template knows besides the engine's helpers. */
const CALLS = ["ref", "source", "var", "env_var", "config", "is_incremental", "log", "list", "dict"];
const BLOCKS = ["if", "each", "unless", "with", "lookup"];
/** Names that no macro can take. */
export const OWN_NAMES: readonly string[] = [
  ...[...CALLS, ...BLOCKS, ...VALUES],
  ...["arguments", "model", "column_name", "this", "else"],
];

export interface NameScope {
  dialect: Dialect;
  macros: Macros;
  /** Whether `this` means a relation. */
  hasRelation: boolean;
  /** Names of values and calls that only this template knows. */
  values?: readonly string[];
  calls?: readonly string[];
}

/** Adds an error for every name in the template that nothing defines, and for every call that cannot be made. */
export function checkNames(template: Template, scope: NameScope, mistakes: Mistakes): void {
  const helpers = Object.keys(scope.dialect.helpers);
  const calls = [...CALLS, ...BLOCKS, ...(scope.calls ?? []), ...helpers, ...scope.macros.keys()];
  const values = [...(scope.hasRelation ? ["this"] : []), ...(scope.values ?? []), ...VALUES];
  for (const use of template.uses) {
    // A value hides a macro of its name, unless it is called.
    const parameters = !use.isCall && values.includes(use.name) ? undefined : parametersOf(use.name, scope);
    if (parameters !== undefined && (use.isCall || takesNothing(parameters))) {
      const problems = argumentProblems(parameters, use);
      if (problems.length > 0) mistakes.add(argumentError(use, { problems, parameters, scope }));
    } else if (!(use.isCall ? calls : values).includes(use.name)) {
      mistakes.add(nameError(use, { calls, values, parameters }));
    }
  }
}

/** Of a macro or an engine's helper. */
export function parametersOf(name: string, { dialect, macros }: Pick<NameScope, "dialect" | "macros">) {
  const macro = macros.get(name);
  if (macro !== undefined) return macro.parameters;
  const isHelper = Object.hasOwn(dialect.helpers, name);
  return isHelper ? (parseParameters(dialect.helperArguments[name] ?? "...arguments") ?? []) : undefined;
}

function takesNothing(parameters: readonly Parameter[]): boolean {
  return parameters.every((one) => one.default !== undefined);
}

function nameError(
  use: TemplateUse,
  { calls, values, parameters }: { calls: string[]; values: string[]; parameters: Parameter[] | undefined },
): ProjectError {
  const isMissingParentheses = !use.isCall && calls.includes(use.name);
  return new ProjectError("TEMPLATE_NAME_UNKNOWN", {
    message: isMissingParentheses
      ? `"${use.name}" is a call and has no arguments here`
      : `unknown ${use.isCall ? "helper" : "name"} "${use.name}" in the template`,
    where: use.where,
    why:
      parameters === undefined
        ? nearestLine(use.name, use.isCall ? calls : [...values, ...calls])
        : [`it is declared as ${signatureText(use.name, parameters)}`],
    hint: isMissingParentheses
      ? `write {{ ${use.name}(…) }}`
      : "correct the name; docs/from-dbt.md lists what templates know",
    exitCode: EXIT.usage,
  });
}

function argumentError(
  use: TemplateUse,
  { problems, parameters, scope }: { problems: string[]; parameters: Parameter[]; scope: NameScope },
): ProjectError {
  const macro = scope.macros.get(use.name);
  const known = parameters.map(({ name }) => name);
  const unknown = Object.keys(use.named).filter((name) => !known.includes(name));
  return new ProjectError("CALL_ARGUMENTS", {
    message: `wrong arguments of ${use.name}(): ${problems[0]}`,
    where: use.where,
    why: [
      ...problems.slice(1),
      ...unknown.flatMap((name) => nearestLine(name, known)),
      `it is declared as ${signatureText(use.name, parameters)}${macro === undefined ? "" : ` in ${macro.file}`}`,
    ],
    hint:
      macro?.kind === "template" && known.length === 0
        ? `declare them on the macro's first line: {{!-- arguments: name, other='default' --}}`
        : "correct the call",
    exitCode: EXIT.usage,
  });
}

/** Adds an error for everything that macros name and nothing defines. */
export function checkMacros(index: NameIndex, dialect: Dialect, mistakes: Mistakes): void {
  for (const macro of index.macros.values()) {
    if (macro.kind !== "template") continue;
    for (const use of macro.template.uses) {
      const isOwn = use.isCall && isReference(use) && !use.args.includes(undefined);
      if (isOwn) mistakes.attempt(() => resolveReference(index, use));
    }
    checkNames(macro.template, { dialect, macros: index.macros, hasRelation: true }, mistakes);
  }
}

/** What `target` holds. */
const TARGET_PARTS = ["name", "schema", "threads", "database", "profile_name", "type"];

/** Variables and parts of `target` without a value that the template is sure to ask for: what stands in blocks is found by rendering. */
export function checkVariables(template: Template, context: TemplateContext, mistakes: Mistakes): void {
  for (const use of template.uses) {
    if (use.isConditional) continue;
    const { name, isCall, part, args, where } = use;
    if (name === "target" && part !== undefined && !TARGET_PARTS.includes(part))
      mistakes.add(targetError(part, where));
    const value = ["var", "env_var"].includes(name) ? context.helpers[name] : undefined;
    if (value === undefined || !isCall || args.includes(undefined)) continue;
    mistakes.attempt(() => value({ args, named: {}, where }));
  }
}

function targetError(part: string, where: string): ProjectError {
  return new ProjectError("TEMPLATE_NAME_UNKNOWN", {
    message: `target has no "${part}"`,
    where,
    why: nearestLine(part, TARGET_PARTS),
    hint: `correct the name; target has ${TARGET_PARTS.join(", ")}`,
    exitCode: EXIT.usage,
  });
}
