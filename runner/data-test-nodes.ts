import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { YamlFile } from "../core/yaml.ts";
import type { Dialect } from "../engines/engine.ts";
import type { Mistakes } from "./collect.ts";
import { referenceSql } from "./ephemeral.ts";
import { GENERIC_TESTS, type GenericTestDefinition } from "./generic-tests.ts";
import { configErrors } from "./model-config.ts";
import type { PropertiesFile } from "./model-nodes.ts";
import type { ModelNode, SourceNode, TestConfig, TestNode } from "./nodes.ts";
import type { Project } from "./project.ts";
import { type DataTestInput, TEST_CONFIG_KEYS, type TestConfigInput, testConfigInput } from "./properties.ts";
import { type NameIndex, resolveArgument } from "./references.ts";
import type { Literal } from "./template.ts";
import { genericTestHash, genericTestName, type NamedTest } from "./test-names.ts";

const TEST_DEFAULTS: TestConfig = {
  severity: "error",
  warn_if: "!= 0",
  error_if: "!= 0",
  fail_calc: "count(*)",
  where: null,
  limit: null,
  enabled: true,
  tags: [],
  meta: {},
};

export interface TestScope {
  project: Project;
  dialect: Dialect;
  index: NameIndex;
  mistakes: Mistakes;
}

/** A test as it is declared in YAML: on a column or on the whole of a model or a source table. */
interface Declaration {
  input: DataTestInput;
  subject: ModelNode | SourceNode;
  column: string | null;
  file: YamlFile;
  /** To its place in the file. */
  path: PropertyKey[];
  where: string;
}

export function loadGenericTests(files: readonly PropertiesFile[], scope: TestScope): TestNode[] {
  const tests = new Map<string, TestNode>();
  for (const declaration of files.flatMap((file) => declarationsIn(file, scope.index))) {
    const test = scope.mistakes.attempt(() => genericTest(declaration, scope));
    if (test === undefined || !test.config.enabled) continue;
    if (tests.has(test.id)) {
      scope.mistakes.add(
        testError(
          "TEST_DUPLICATE",
          declaration.where,
          `test "${test.name}" is declared twice`,
          [],
          "remove one of them, or give one a name",
        ),
      );
    }
    tests.set(test.id, test);
  }
  return [...tests.values()];
}

interface Testable {
  data_tests: DataTestInput[];
  tests: DataTestInput[];
}

function declarationsIn({ file, properties }: PropertiesFile, index: NameIndex): Declaration[] {
  const declarations: Declaration[] = [];
  const add = (
    subject: ModelNode | SourceNode,
    owner: Testable,
    at: { path: PropertyKey[]; column: string | null },
  ) => {
    for (const key of ["data_tests", "tests"] as const) {
      for (const [place, input] of owner[key].entries()) {
        const path = [...at.path, key, place];
        declarations.push({ input, subject, column: at.column, file, path, where: file.locate(path) });
      }
    }
  };
  const addAll = (
    subject: ModelNode | SourceNode | undefined,
    owner: Testable & { columns: (Testable & { name: string })[] },
    path: PropertyKey[],
  ) => {
    if (subject === undefined) return;
    add(subject, owner, { path, column: null });
    for (const [place, column] of owner.columns.entries()) {
      add(subject, column, { path: [...path, "columns", place], column: column.name });
    }
  };
  for (const [place, model] of properties.models.entries())
    addAll(index.models.get(model.name), model, ["models", place]);
  for (const [place, source] of properties.sources.entries()) {
    for (const [tablePlace, table] of source.tables.entries()) {
      addAll(index.sources.get(`${source.name}.${table.name}`), table, [
        "sources",
        place,
        "tables",
        tablePlace,
      ]);
    }
  }
  return declarations;
}

function genericTest(declaration: Declaration, scope: TestScope): TestNode {
  const { subject, column, where } = declaration;
  const { type, name: givenName, description, config, args } = splitInput(declaration);
  const definition = definitionOf(type, where);
  if (definition.needsColumn && column === null) {
    throw testError(
      "TEST_NEEDS_COLUMN",
      where,
      `test "${type}" belongs under a column`,
      [],
      "move it below one of the model's columns",
    );
  }
  const dependsOn = new Set([subject.id]);
  const { dialect } = scope;
  const relation = referenceSql(dialect, subject);
  const sql = definition.sql(
    {
      dialect,
      relation: config.where === null ? relation : `(select * from ${relation} where ${config.where})`,
      column: column === null ? null : dialect.quote(column),
      resolve: (argument) => {
        const node = resolveArgument(scope.index, argument, where);
        dependsOn.add(node.id);
        return referenceSql(dialect, node);
      },
    },
    parseArguments(declaration, definition, { type, args }),
  );
  const named: NamedTest = { type, subject, args: column === null ? args : { ...args, column_name: column } };
  const name = givenName ?? genericTestName(named);
  return {
    kind: "test",
    id: `test.${scope.project.name}.${name}.${genericTestHash(name, named)}`,
    name,
    fqn: [...subject.fqn.slice(0, -1), name],
    file: declaration.file.path,
    description,
    tags: config.tags,
    dependsOn: [...dependsOn],
    config,
    where,
    generic: { type, attachedTo: subject.id, columnName: column, arguments: args, sql },
    template: null,
  };
}

function definitionOf(type: string, where: string): GenericTestDefinition {
  const definition = Object.hasOwn(GENERIC_TESTS, type) ? GENERIC_TESTS[type] : undefined;
  if (definition !== undefined) return definition;
  const known = Object.keys(GENERIC_TESTS);
  throw testError(
    "TEST_UNKNOWN",
    where,
    `unknown test "${type}"`,
    nearestLine(type, known),
    `known tests: ${known.join(", ")}`,
  );
}

interface SplitInput {
  type: string;
  name: string | undefined;
  description: string;
  config: TestConfig;
  args: Record<string, Literal>;
}

/** dbt takes configuration and arguments inline, under `config:` and under `arguments:`. */
function splitInput(declaration: Declaration): SplitInput {
  const { input } = declaration;
  const [type = "", body] = typeof input === "string" ? [input, {}] : (Object.entries(input)[0] ?? []);
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
    type,
    name: typeof name === "string" ? name : undefined,
    description: typeof description === "string" ? description : "",
    config: mergeTestConfig([parsed.data]),
    args: { ...Object.fromEntries(own), ...asMap(nested) },
  };
}

function placeOfKey({ file, path }: Declaration, steps: readonly string[], key: string): string {
  return file.locateKey([...path, ...steps], key);
}

function asMap(value: Literal | undefined): Record<string, Literal> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/** The defaults, and what is given; later inputs win. */
export function mergeTestConfig(inputs: readonly TestConfigInput[]): TestConfig {
  const merged = { ...TEST_DEFAULTS };
  for (const input of inputs) {
    const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
    Object.assign(merged, given);
  }
  return merged;
}

function parseArguments(
  declaration: Declaration,
  definition: GenericTestDefinition,
  { type, args }: { type: string; args: Record<string, Literal> },
): Record<string, unknown> {
  const parsed = definition.arguments.safeParse(args);
  if (parsed.success) return parsed.data;
  const known = Object.keys(definition.arguments.shape);
  const takes = known.length > 0 ? `its arguments are: ${known.join(", ")}` : "it takes no arguments";
  const hint = `${takes}; config: ${TEST_CONFIG_KEYS.join(", ")}`;
  const { input } = declaration;
  const nested = typeof input === "string" ? {} : asMap(input[type]?.arguments);
  const fail = (key: string, message: string, why: string[]) => {
    const where = placeOfKey(declaration, key in nested ? [type, "arguments"] : [type], key);
    return testError("TEST_ARGUMENTS", key in args ? where : declaration.where, message, why, hint);
  };
  throw new ProjectErrors(
    parsed.error.issues.flatMap((issue) => {
      if (issue.code === "unrecognized_keys") {
        const near = (key: string) => nearestLine(key, [...known, ...TEST_CONFIG_KEYS]);
        return issue.keys.map((key) => fail(key, `unknown argument "${key}" of test "${type}"`, near(key)));
      }
      const key = String(issue.path[0] ?? "");
      if (!(key in args)) return [fail(key, `test "${type}" needs the argument "${key}"`, [])];
      const problem = issue.message.replace(/^Invalid input: /, "");
      return [fail(key, `argument "${key}" of test "${type}" is wrong: ${problem}`, [])];
    }),
  );
}

/** A mistake in the declaration of a test. */
export function testError(
  code: string,
  where: string,
  message: string,
  why: string[],
  hint: string,
): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}
