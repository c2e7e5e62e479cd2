import { ProjectErrors } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { YamlFile } from "../../core/yaml.ts";
import { placedAt } from "../build/hooks.ts";
import type { RelationNode } from "../graph/nodes.ts";
import { configErrors } from "../project/model-config.ts";
import {
  type DataTestInput,
  TEST_CONFIG_KEYS,
  type TestConfigInput,
  testConfigInput,
} from "../project/properties.ts";
import type { Literal, TemplateContext } from "../templates/template.ts";
import { renderText } from "../templates/yaml-calls.ts";
import type { GenericTestDefinition } from "./generic-tests/definition.ts";
import { type TestType, testError, testTypeOf } from "./test-types.ts";

/** A test as it is declared in YAML: on a column or on the whole of a model or a source table. */
export interface Declaration {
  input: DataTestInput;
  subject: RelationNode;
  column: string | null;
  file: YamlFile;
  /** The folders that the file lies in, below that of its kind. */
  folders: readonly string[];
  /** To its place in the file. */
  path: PropertyKey[];
  where: string;
}

interface SplitInput {
  type: TestType;
  name: string | undefined;
  description: string;
  configs: TestConfigInput[];
  args: Record<string, Literal>;
}

/** The test's name, what is said of it, and the steps from the declaration to there. */
function partsOf(input: DataTestInput): {
  type: string;
  body: Record<string, Literal>;
  steps: string[];
} {
  if (typeof input === "string") return { type: input, body: {}, steps: [] };
  if (typeof input.test_name === "string") {
    const { test_name: type, ...body } = input;
    return { type, body: body as Record<string, Literal>, steps: [] }; // The schema's JSON.
  }
  const [type = "", body] = Object.entries(input)[0] ?? [];
  return { type, body: asMap(body as Literal), steps: [type] };
}

/** dbt takes configuration and arguments inline, under `config:` and under `arguments:`. */
export function splitInput(declaration: Declaration, calls: TemplateContext): SplitInput {
  if (typeof declaration.input === "string")
    return { type: testTypeOf(declaration.input), name: undefined, description: "", configs: [], args: {} };
  const { type, body, steps } = partsOf(declaration.input);
  const { name, description, config, arguments: nested, ...rest } = body;
  const inline = Object.entries(rest).filter(([key]) => TEST_CONFIG_KEYS.includes(key));
  const own = Object.entries(rest).filter(([key]) => !TEST_CONFIG_KEYS.includes(key));
  const given = { ...Object.fromEntries(inline), ...asMap(config) };
  const parsed = testConfigInput.safeParse(withCalls(given, declaration.where, calls), { reportInput: true });
  if (!parsed.success) {
    const place = (key: string) =>
      placeOfKey(declaration, key in asMap(config) ? [...steps, "config"] : steps, key);
    throw new ProjectErrors(configErrors(parsed.error, place, TEST_CONFIG_KEYS));
  }
  return {
    type: testTypeOf(type),
    name: typeof name === "string" ? name : undefined,
    description: typeof description === "string" ? description : "",
    configs: [parsed.data],
    args: { ...Object.fromEntries(own), ...asMap(nested) },
  };
}

function placeOfKey({ file, path }: Declaration, steps: readonly string[], key: string): string {
  return file.locateKey([...path, ...steps], key);
}

function asMap(value: Literal | undefined): Record<string, Literal> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** The arguments as the test's definition reads them. Throws ProjectErrors (TEST_ARGUMENTS) for all that are wrong. */
export function parseArguments(
  declaration: Declaration,
  definition: GenericTestDefinition,
  { type: { name: type }, args }: { type: TestType; args: Record<string, Literal> },
): Record<string, unknown> {
  const parsed = definition.arguments.safeParse(args);
  const templated = Object.keys(args).filter((key) => isTemplate(args[key]));
  if (parsed.success && templated.length === 0) return parsed.data;
  const known = Object.keys(definition.arguments.shape);
  const takes = known.length > 0 ? `its arguments are: ${known.join(", ")}` : "it takes no arguments";
  const hint = `${takes}; config: ${TEST_CONFIG_KEYS.join(", ")}`;
  const { body, steps } = partsOf(declaration.input);
  const nested = asMap(body.arguments);
  const fail = (key: string, message: string, why: string[]) => {
    const where = placeOfKey(declaration, key in nested ? [...steps, "arguments"] : steps, key);
    return testError("TEST_ARGUMENTS", key in args ? where : declaration.where, message, why, hint);
  };
  throw new ProjectErrors([
    ...templated.map((key) =>
      fail(key, `argument "${key}" of test "${type}" is a template: write the value itself`, [
        ONLY_REFERENCES,
      ]),
    ),
    ...(parsed.error?.issues ?? []).flatMap((issue) => {
      if (issue.code === "unrecognized_keys") {
        const near = (key: string) => nearestLine(key, [...known, ...TEST_CONFIG_KEYS]);
        return issue.keys.map((key) => fail(key, `unknown argument "${key}" of test "${type}"`, near(key)));
      }
      const key = String(issue.path[0] ?? "");
      if (key === "") return [fail(key, `arguments of test "${type}" are wrong: ${issue.message}`, [])];
      if (!(key in args)) return [fail(key, `test "${type}" needs the argument "${key}"`, [])];
      const problem = issue.message.replace(/^Invalid input: /, "");
      return [fail(key, `argument "${key}" of test "${type}" is wrong: ${problem}`, [])];
    }),
  ]);
}

const ONLY_REFERENCES =
  "arguments know ref('…') and source('…') alone, and {{ var('…') }} and {{ env_var('…') }} in braces";

/** What is a template still: to the engine it would be SQL. */
function isTemplate(value: Literal | undefined): boolean {
  return (
    typeof value === "string" && /\{\{(?!\s*(ref|source)\s*\()\s*[a-z_]|^\s*(env_)?var\s*\(/i.test(value)
  );
}

/** The value with `{{ var('…') }}` and `{{ env_var('…') }}` in its texts filled in; relations are resolved later. */
export function withCalls<T extends Literal | Record<string, Literal>>(
  value: T,
  where: string,
  calls: TemplateContext,
): T {
  const fill = (part: Literal): Literal => {
    if (typeof part === "string") return isCall(part) ? renderAt(part, where, calls) : part;
    if (Array.isArray(part)) return part.map(fill);
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, fill(item)]));
  };
  return fill(value) as T; // Maps stay maps, lists stay lists.
}

function isCall(text: string): boolean {
  const calls = [...text.matchAll(/\{\{\s*(\w+)/g)].map(([, name]) => name);
  return calls.length > 0 && calls.every((name) => name === "var" || name === "env_var");
}

function renderAt(text: string, where: string, calls: TemplateContext): Literal {
  return placedAt(where, () => renderText(text, where, calls)) as Literal; // what YAML holds
}
