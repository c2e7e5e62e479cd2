import {
  type Document,
  isMap,
  isNode,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from "yaml";
import type { z } from "zod";
import { EXIT, messageOf, ProjectError, ProjectErrors } from "./errors.ts";
import { nearestLine } from "./nearest.ts";

type YamlPath = readonly PropertyKey[];

/** A YAML file whose every value knows its place in the text. */
export interface YamlFile {
  /** Relative to the project folder, with forward slashes. */
  path: string;
  value: unknown;
  /** `file:line:column` of the value at `path`, or of its nearest parent that exists. */
  locate(path: YamlPath): string;
  /** `file:line:column` of the key `key` in the map at `path`. */
  locateKey(path: YamlPath, key: string): string;
}

/** What of a YAML file is worth keeping for later: its value, and the places that were asked for. Survives JSON. */
export interface ParsedYaml {
  value: unknown;
  places: Record<string, string>;
}

/**
 * Throws ProjectErrors (YAML_INVALID, all of them) when the text is not YAML. With `former`, what `onParsed` was
 * given for the same text, it is parsed again only when a place is asked for that nobody asked for then.
 */
export function parseYaml(
  path: string,
  text: string,
  known: { former?: ParsedYaml | undefined; onParsed?: (parsed: ParsedYaml) => void } = {},
): YamlFile {
  let document: PlacedDocument | undefined;
  let parsed = known.former;
  if (parsed === undefined) {
    document = parsePlaced(path, text);
    parsed = { value: jsValue(document.document, path), places: {} };
    // JSON has no word for these numbers.
    if (!/\.(nan|inf)\b/i.test(text)) known.onParsed?.(parsed);
  }
  const { value, places } = parsed;
  const placeAt = (key: string, offsetIn: (root: Document) => number) => {
    const former = places[key];
    if (former !== undefined) return `${path}:${former}`;
    if (document === undefined) known.onParsed?.(parsed);
    document ??= parsePlaced(path, text);
    const place = document.placeOf(offsetIn(document.document));
    places[key] = place;
    return `${path}:${place}`;
  };
  return {
    path,
    value,
    locate: (yamlPath) =>
      placeAt(JSON.stringify(yamlPath), ({ contents }) => offsetOf(nodeAt(contents, yamlPath))),
    locateKey: (yamlPath, key) =>
      placeAt(JSON.stringify([yamlPath, key]), ({ contents }) => {
        const pair = pairOf(nodeAt(contents, yamlPath), key);
        return offsetOf(pair && isNode(pair.key) ? pair.key : nodeAt(contents, yamlPath));
      }),
  };
}

function offsetOf(node: Node | null | undefined): number {
  return node?.range?.[0] ?? 0;
}

interface PlacedDocument {
  document: Document;
  /** `line:column`. */
  placeOf(offset: number): string;
}

function parsePlaced(path: string, text: string): PlacedDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true });
  const placeOf = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  const place = (offset: number) => `${path}:${placeOf(offset)}`;
  const errors = syntaxErrors(document, text, place);
  const problems =
    errors.length > 0
      ? errors
      : [...lossyNumbers(document, place, text), ...brokenAliases(document, place, text)];
  if (problems.length > 0) throw new ProjectErrors(problems);
  return { document, placeOf };
}

function yamlError(where: string, problem: string, hint = "correct the YAML at this place"): ProjectError {
  return new ProjectError("YAML_INVALID", {
    message: `not valid YAML: ${problem}`,
    where,
    hint,
    exitCode: EXIT.usage,
  });
}

/** What the parser stopped at, at the place where a person has to change something. */
function syntaxErrors(document: Document, text: string, place: (offset: number) => string): ProjectError[] {
  const nested = new Set(
    document.errors.filter(({ code }) => code === "BLOCK_AS_IMPLICIT_KEY").map(({ pos }) => pos[0]),
  );
  const overLines = new Set(
    document.errors.filter(({ code }) => code === "MULTILINE_IMPLICIT_KEY").map(({ pos }) => pos[0]),
  );
  return document.errors.flatMap(({ code, message, pos: [start, end] }) => {
    const problem = message.split(/[\n;]/)[0] ?? "";
    // Of one key that stands too far to the right the parser says two things.
    if (code === "BLOCK_AS_IMPLICIT_KEY" && overLines.has(start)) return [];
    if (code === "MULTILINE_IMPLICIT_KEY" && nested.has(start)) {
      const key = /\S*[^\n]*$/.exec(text.slice(start, end).trimEnd())?.[0].trimStart() ?? "";
      return [yamlError(place(end - key.length), "this key is indented too far", YAML_HINTS.BAD_INDENT)];
    }
    const bracket = /end with a ([\]}])/.exec(problem)?.[1];
    if (bracket !== undefined)
      return [yamlError(place(start), problem, `a ${bracket} is missing before this place`)];
    if (code === "MISSING_CHAR" && problem.startsWith("Missing closing"))
      return [yamlError(place(openingQuote(document, start)), problem, "close the quote that begins here")];
    return [yamlError(place(start), problem, YAML_HINTS[code])];
  });
}

/** Where the quoted text begins whose end is missing at `offset`. */
function openingQuote(document: Document, offset: number): number {
  let found = offset;
  visit(document, {
    Scalar: (_, { type, range }) => {
      if (type?.startsWith("QUOTE_") && range && range[0] <= offset && range[1] >= offset - 1)
        found = range[0];
    },
  });
  return found;
}

/** Whole numbers that JavaScript cannot hold would change without a word. */
function lossyNumbers(document: Document, place: (offset: number) => string, text: string): ProjectError[] {
  if (!/\d{16}|\de|0[xo]/i.test(text)) return [];
  const errors: ProjectError[] = [];
  visit(document, {
    Scalar: (_, { value, range, source }) => {
      if (typeof value !== "number" || !Number.isInteger(value) || Number.isSafeInteger(value)) return;
      errors.push(
        yamlError(place(range?.[0] ?? 0), `${source} is too large for a number`, "put it in quotes"),
      );
    },
  });
  return errors;
}

/** Aliases without an anchor. */
function brokenAliases(document: Document, place: (offset: number) => string, text: string): ProjectError[] {
  if (!text.includes("*")) return [];
  const errors: ProjectError[] = [];
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const problem = `no anchor &${alias.source} stands before this alias`;
      errors.push(yamlError(place(alias.range?.[0] ?? 0), problem, "write the value itself"));
    },
  });
  return errors;
}

function jsValue(document: Document, path: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    throw new ProjectErrors([yamlError(`${path}:1:1`, messageOf(error), "write values instead of aliases")]);
  }
}

const YAML_HINTS: Record<string, string> = {
  TAB_AS_INDENT: "indent with spaces: YAML does not allow tabs",
  DUPLICATE_KEY: "keep one of the two keys",
  BAD_INDENT: "line this key up with its siblings",
  BLOCK_AS_IMPLICIT_KEY: "put a text that holds a colon in quotes",
  MULTILINE_IMPLICIT_KEY: "a quote or a colon is missing on this line or the one above",
};

function nodeAt(root: Node | null | undefined, path: YamlPath): Node | null | undefined {
  let node = root;
  for (const step of path) {
    const next = isMap(node)
      ? pairOf(node, String(step))?.value
      : isSeq(node)
        ? node.items[Number(step)]
        : undefined;
    if (!isNode(next)) return node;
    node = next;
  }
  return node;
}

function pairOf(node: Node | null | undefined, key: string): Pair | undefined {
  if (!isMap(node)) return undefined;
  return node.items.find((pair) => isNode(pair.key) && String(pair.key) === key);
}

/** The file's value as the schema's type. Throws ProjectErrors (YAML_SCHEMA) naming every mistake's place. */
export function validateYaml<T extends z.ZodType>(file: YamlFile, schema: T): z.output<T> {
  const result = schema.safeParse(file.value ?? {});
  if (result.success) return result.data;
  throw new ProjectErrors(result.error.issues.flatMap((issue) => issueErrors(file, schema, issue, [])));
}

type Issue = z.core.$ZodIssue;

function issueErrors(file: YamlFile, schema: z.ZodType, issue: Issue, base: YamlPath): ProjectError[] {
  const path = [...base, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(schema, path);
    return issue.keys.map((key) =>
      schemaError(file.locateKey(path, key), `unknown key "${key}"${inside(path)}`, [
        ...nearestLine(key, known),
        `known keys: ${known.join(", ")}`,
      ]),
    );
  }
  if (issue.code === "invalid_union") {
    const branch = issue.errors.toSorted((a, b) => depthOf(b) - depthOf(a))[0] ?? [];
    if (depthOf(branch) > 0) return branch.flatMap((inner) => issueErrors(file, schema, inner, path));
  }
  return [valueError(file, issue, path)];
}

function valueError(file: YamlFile, issue: Issue, path: YamlPath): ProjectError {
  const found = valueAt(file.value, path);
  const name = path.length > 0 ? nameOf(path) : "this file";
  if (found === undefined) {
    return schemaError(file.locate(path), `${name} is missing${inside(path.slice(0, -1))}`, [], "add it");
  }
  if (issue.code === "invalid_value") {
    const options = issue.values.map(String);
    const why = [...nearestLine(String(found), options), `expected: ${options.join(", ")}`];
    return schemaError(file.locate(path), `${name} cannot be ${shown(found)}`, why);
  }
  if (issue.code !== "invalid_type" && issue.code !== "invalid_union") {
    return schemaError(file.locate(path), `${name} is wrong: ${issue.message}`, [`found: ${shown(found)}`]);
  }
  const expected =
    issue.code === "invalid_type" ? ` has to be ${WORDS[issue.expected] ?? issue.expected}` : " is wrong";
  const isUnquoted =
    issue.code === "invalid_type" && issue.expected === "string" && typeof found !== "object";
  const hint = isUnquoted ? "put it in quotes" : "correct or remove it";
  return schemaError(file.locate(path), `${name}${expected}`, [`found: ${shown(found)}`], hint);
}

/** What zod calls the kinds of values, in YAML's words. */
const WORDS: Record<string, string> = {
  array: "a list",
  object: "a map",
  record: "a map",
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

const MAX_SHOWN = 60;

function shown(value: unknown): string {
  if (value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  return String(JSON.stringify(value)).slice(0, MAX_SHOWN);
}

function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (level, step) => (level as Record<PropertyKey, unknown> | null | undefined)?.[step], // any value may be asked so
    value,
  );
}

/** `"columns"`, or `item 2 of "columns"`. */
function nameOf(path: YamlPath): string {
  const last = path.at(-1);
  if (typeof last !== "number") return `"${String(last)}"`;
  return `item ${last + 1}${path.length > 1 ? ` of ${nameOf(path.slice(0, -1))}` : ""}`;
}

function schemaError(
  where: string,
  message: string,
  why: string[],
  hint = "correct or remove it",
): ProjectError {
  return new ProjectError("YAML_SCHEMA", { message, where, why, hint, exitCode: EXIT.usage });
}

function inside(path: YamlPath): string {
  return path.length > 0 ? ` in ${nameOf(path)}` : "";
}

function depthOf(issues: readonly Issue[]): number {
  return Math.max(
    0,
    ...issues.map((issue) => issue.path.length + (issue.code === "unrecognized_keys" ? 1 : 0)),
  );
}

/** The keys that the schema knows for the map at `path`. */
function keysAt(schema: z.ZodType, path: YamlPath): string[] {
  let candidates = variantsOf(schema);
  for (const step of path)
    candidates = candidates.flatMap((variant) => variantsOf(childOf(variant, String(step))));
  return [...new Set(candidates.flatMap((variant) => Object.keys(variant.def.shape ?? {})))].sort();
}

/** What of zod's schema definitions is needed to walk them (zod/v4/core `$ZodTypeDef`s). */
interface SchemaDef {
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  valueType?: z.ZodType;
  innerType?: z.ZodType;
  in?: z.ZodType;
  options?: z.ZodType[];
}
interface WalkableSchema {
  def: SchemaDef;
}

function variantsOf(schema: z.ZodType | undefined): WalkableSchema[] {
  if (schema === undefined) return [];
  const walkable = schema as unknown as WalkableSchema; // every zod 4 schema carries its def
  const { innerType, options } = walkable.def;
  if (walkable.def.in !== undefined) return variantsOf(walkable.def.in);
  if (innerType !== undefined) return variantsOf(innerType);
  if (options !== undefined) return options.flatMap(variantsOf);
  return [walkable];
}

function childOf(schema: WalkableSchema, step: string): z.ZodType | undefined {
  return schema.def.shape?.[step] ?? schema.def.element ?? schema.def.valueType;
}
