import { ProjectErrors } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { YamlFile } from "../../core/yaml.ts";
import type { RelationNode } from "../graph/nodes.ts";
import { configErrors } from "../project/model-config.ts";
import {
  type DataTestInput,
  TEST_CONFIG_KEYS,
  type TestConfigInput,
  testConfigInput,
} from "../project/properties.ts";
import type { Literal } from "../templates/template.ts";
import type { GenericTestDefinition } from "./generic-tests/definition.ts";
import { type TestType, testError, testTypeOf } from "./test-types.ts";

/** A test as it is declared in YAML: on a column or on the whole of a model or a source table. */
export interface Declaration {
  input: DataTestInput;
  subject: RelationNode;
  column: string | null;
  file: YamlFile;
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

/** dbt takes configuration and arguments inline, under `config:` and under `arguments:`. */
export function splitInput(declaration: Declaration): SplitInput {
  const { input } = declaration;
  if (typeof input === "string")
    return { type: testTypeOf(input), name: undefined, description: "", configs: [], args: {} };
  const [type = "", body] = Object.entries(input)[0] ?? [];
  const { name, description, config, arguments: nested, ...rest } = body ?? {};
  const inline = Object.entries(rest).filter(([key]) => TEST_CONFIG_KEYS.includes(key));
  const own = Object.entries(rest).filter(([key]) => !TEST_CONFIG_KEYS.includes(key));
  const parsed = testConfigInput.safeParse({ ...Object.fromEntries(inline), ...asMap(config) });
  if (!parsed.success) {
    const place = (key: string) =>
      placeOfKey(declaration, key in asMap(config) ? [type, "config"] : [type], key);
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
  const { input } = declaration;
  const [as = "", body] = typeof input === "string" ? [input] : (Object.entries(input)[0] ?? []);
  const nested = asMap(body?.arguments);
  const fail = (key: string, message: string, why: string[]) => {
    const where = placeOfKey(declaration, key in nested ? [as, "arguments"] : [as], key);
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

const ONLY_REFERENCES = "arguments know ref('…') and source('…'), no other calls";

/** dbt renders such texts; to the engine they would be SQL. */
function isTemplate(value: Literal | undefined): boolean {
  return typeof value === "string" && /^\s*(\{\{(?!\s*(ref|source)\s*\()|(env_)?var\s*\()/.test(value);
}
