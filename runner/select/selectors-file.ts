import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError, ProjectErrors } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";
import { criteriaOf, type Expression, parseCriterion, parseWords } from "./grammar.ts";
import { methodMistake } from "./methods.ts";
import { unknownSelector } from "./mistakes.ts";
import { INDIRECT_MODES, type IndirectMode } from "./words.ts";

/** What selectors.yml defines. */
export interface Selectors {
  byName: ReadonlyMap<string, Expression>;
  /** What is selected when the command line says nothing. */
  defaultName: string | null;
}

export const NO_SELECTORS: Selectors = { byName: new Map(), defaultName: null };

const FILE = "selectors.yml";

const selectorsSchema = z.strictObject({
  version: z.literal(2).optional(),
  selectors: z.array(
    z.strictObject({
      name: z.string().min(1),
      description: z.string().optional(),
      default: z.boolean().default(false),
      definition: z.json(),
    }),
  ),
});

/** Reads selectors.yml, if there is one. Throws ProjectErrors (exit 2) that hold every mistake in it. */
export function loadSelectors(ctx: Context): Selectors {
  if (!existsSync(join(ctx.projectDir, FILE))) return NO_SELECTORS;
  const file = parseYaml(FILE, readTextFile(ctx.projectDir, FILE));
  const { selectors } = validateYaml(file, selectorsSchema);
  const errors: ProjectError[] = [];
  const byName = new Map<string, Expression>();
  for (const [index, { name, definition }] of selectors.entries()) {
    const path = ["selectors", index];
    if (byName.has(name))
      errors.push(selectorError(file.locate([...path, "name"]), `selector "${name}" is defined twice`));
    byName.set(
      name,
      parseDefinition(definition, { file, path: [...path, "definition"], indirect: null, errors }),
    );
  }
  const defaults = [...selectors.entries()].filter(([, selector]) => selector.default);
  for (const [index] of defaults.slice(1)) {
    const where = file.locateKey(["selectors", index], "default");
    errors.push(selectorError(where, "two selectors are the default", "keep one of them"));
  }
  for (const expression of byName.values()) errors.push(...mistakesIn(expression, [...byName.keys()]));
  if (errors.length > 0) throw new ProjectErrors(errors);
  return { byName, defaultName: defaults[0]?.[1].name ?? null };
}

/** selectors.yml as a manifest has it, by name: every definition spelt out with method and value. */
export function selectorEntries(ctx: Context): Record<string, unknown> {
  if (!existsSync(join(ctx.projectDir, FILE))) return {};
  const { selectors } = validateYaml(parseYaml(FILE, readTextFile(ctx.projectDir, FILE)), selectorsSchema);
  return Object.fromEntries(
    selectors.map(({ definition, default: isDefault, ...same }) => [
      same.name,
      { ...same, ...(isDefault ? { default: true } : {}), definition: spellOut(definition) },
    ]),
  );
}

function spellOut(definition: Definition): unknown {
  if (typeof definition === "string") return methodEntry(definition);
  if (typeof definition !== "object" || definition === null || Array.isArray(definition)) return definition;
  const lists = ["union", "intersection", "exclude"];
  const spelt = Object.entries(definition).map(([key, value]): [string, unknown] => [
    key,
    lists.includes(key) && Array.isArray(value) ? value.map(spellOut) : value,
  ]);
  const [[key = "", value] = []] = spelt;
  const isShort = !("method" in definition) && !lists.includes(key);
  return isShort ? { method: key, value } : Object.fromEntries(spelt);
}

function methodEntry(text: string): Record<string, unknown> {
  const { method, value, ...found } = parseCriterion(text, { where: FILE, indirect: null, errors: [] });
  const steps = (key: "parents" | "children") => ({
    ...(found[key] === null ? {} : { [key]: true }),
    ...(Number.isFinite(found[key] ?? Number.POSITIVE_INFINITY) ? { [`${key}_depth`]: found[key] } : {}),
  });
  const around = found.isAround ? { childrens_parents: true } : {};
  return { method, value, ...around, ...steps("parents"), ...steps("children") };
}

/** Methods, values and selectors that there are not. */
function mistakesIn(expression: Expression, selectors: readonly string[]): ProjectError[] {
  return criteriaOf(expression).flatMap((criterion) => {
    if (criterion.method !== "selector") return methodMistake(criterion) ?? [];
    const isKnown = selectors.includes(criterion.value);
    return isKnown ? [] : unknownSelector(criterion.value, criterion.where, selectors);
  });
}

interface Place {
  file: YamlFile;
  path: PropertyKey[];
  indirect: IndirectMode | null;
  errors: ProjectError[];
}

type Definition = z.output<ReturnType<typeof z.json>>;

const NOTHING: Expression = { kind: "union", parts: [] };

function below(place: Place, ...steps: PropertyKey[]): Place {
  return { ...place, path: [...place.path, ...steps] };
}

function parseDefinition(definition: Definition, place: Place): Expression {
  const where = place.file.locate(place.path);
  if (typeof definition === "string") return parseWords([definition], { ...place, where });
  if (typeof definition !== "object" || definition === null || Array.isArray(definition)) {
    place.errors.push(selectorError(where, "a definition is a text or a map", SHAPES));
    return NOTHING;
  }
  const keys = Object.keys(definition);
  if ("method" in definition) return parseMethod(definition, place);
  const [key = "", ...others] = keys;
  if (keys.length === 0 || others.length > 0) {
    const found = keys.length === 0 ? "an empty map" : `the keys ${keys.join(", ")}`;
    place.errors.push(
      selectorError(where, `a definition has one key, or method and value; found ${found}`, SHAPES),
    );
    return NOTHING;
  }
  if (key === "union" || key === "intersection") return parseParts(definition[key], key, place);
  if (key === "exclude") {
    place.errors.push(selectorError(where, "exclude stands beside other parts, not alone", SHAPES));
    return NOTHING;
  }
  return parseMethod({ method: key, value: definition[key] ?? null }, below(place, key));
}

const SHAPES =
  'write "tag:nightly", {tag: nightly}, {method: tag, value: nightly}, {union: […]} or {intersection: […]}';

/** The parts of an operator; at most one of them may be `exclude`. */
function parseParts(parts: Definition | undefined, key: "union" | "intersection", place: Place): Expression {
  const where = place.file.locateKey(place.path, key);
  if (!Array.isArray(parts) || parts.length === 0) {
    place.errors.push(selectorError(where, `"${key}" has to be a list of definitions`, SHAPES));
    return NOTHING;
  }
  const entries = parts.map((part, index) => ({ part, at: below(place, key, index) }));
  const isExclude = ({ part }: (typeof entries)[number]) =>
    typeof part === "object" && part !== null && "exclude" in part && Object.keys(part).length === 1;
  const included = entries
    .filter((entry) => !isExclude(entry))
    .map(({ part, at }) => parseDefinition(part, at));
  const [excluded, second] = entries.filter(isExclude);
  if (second !== undefined) {
    const message = `"${key}" has two exclude`;
    place.errors.push(selectorError(place.file.locate(second.at.path), message, "put them into one list"));
  }
  const from: Expression =
    key === "union"
      ? { kind: "union", parts: included }
      : { kind: "intersection", text: "intersection", where, parts: included };
  return excluded === undefined ? from : withoutExcluded(from, excluded.part, excluded.at);
}

function withoutExcluded(from: Expression, owner: Definition, place: Place): Expression {
  const excluded =
    typeof owner === "object" && owner !== null && "exclude" in owner ? owner.exclude : undefined;
  if (!Array.isArray(excluded)) {
    const where = place.file.locateKey(place.path, "exclude");
    place.errors.push(selectorError(where, '"exclude" has to be a list of definitions', SHAPES));
    return from;
  }
  const parts = excluded.map((part, index) =>
    parseDefinition(part, { ...below(place, "exclude", index), indirect: "eager" }),
  );
  return { kind: "difference", from, without: { kind: "union", parts } };
}

const depth = z.int().min(0).optional();
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const methodSchema = z.strictObject({
  method: z.string(),
  value: scalar,
  parents: z.boolean().default(false),
  parents_depth: depth,
  children: z.boolean().default(false),
  children_depth: depth,
  childrens_parents: z.boolean().default(false),
  indirect_selection: z.enum(INDIRECT_MODES).optional(),
  exclude: z.array(z.json()).optional(),
});
const METHOD_KEYS = Object.keys(methodSchema.shape);

function parseMethod(definition: Record<string, Definition>, place: Place): Expression {
  const { file, path, errors } = place;
  const parsed = methodSchema.safeParse(definition);
  if (!parsed.success) {
    errors.push(...parsed.error.issues.flatMap((issue) => methodErrors(issue, place)));
    return NOTHING;
  }
  const { method, value, parents, children, childrens_parents: isAround, ...more } = parsed.data;
  const where = file.locate(path);
  const given = parseCriterion(`${method}:${value}`, { where, indirect: null, errors: [] });
  const criterion: Expression = {
    ...given,
    method,
    value: String(value),
    parents: parents ? (more.parents_depth ?? Number.POSITIVE_INFINITY) : null,
    children: children ? (more.children_depth ?? Number.POSITIVE_INFINITY) : null,
    isAround,
    indirect: more.indirect_selection ?? place.indirect,
  };
  if (isAround && children)
    errors.push(selectorError(where, "childrens_parents and children exclude each other", "remove children"));
  return more.exclude === undefined ? criterion : withoutExcluded(criterion, definition, place);
}

function methodErrors(issue: z.core.$ZodIssue, { file, path }: Place): ProjectError[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) =>
      selectorError(
        file.locateKey(path, key),
        `unknown key "${key}"`,
        `known keys: ${METHOD_KEYS.join(", ")}`,
        [...nearestLine(key, METHOD_KEYS)],
      ),
    );
  }
  const key = String(issue.path[0] ?? "");
  const known = key === "indirect_selection" ? `one of ${INDIRECT_MODES.join(", ")}` : "";
  const expected = known || issue.message.replace(/^Invalid input: /, "");
  return [
    selectorError(file.locate([...path, ...issue.path]), `"${key}" is wrong`, "correct it", [expected]),
  ];
}

function selectorError(
  where: string,
  message: string,
  hint = "remove one of them",
  why: string[] = [],
): ProjectError {
  return new ProjectError("SELECTOR_INVALID", { message, where, why, hint, exitCode: EXIT.usage });
}
