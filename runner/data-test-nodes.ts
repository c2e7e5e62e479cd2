import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { Context } from "../core/context.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { readTextFile } from "../core/text-file.ts";
import type { Dialect } from "../engines/engine.ts";
import type { Mistakes } from "./collect.ts";
import { listFiles } from "./files.ts";
import { GENERIC_TESTS, type GenericTestDefinition } from "./generic-tests.ts";
import { templateConfig } from "./model-config.ts";
import type { PropertiesFile } from "./model-nodes.ts";
import type { ModelNode, SourceNode, TestConfig, TestNode } from "./nodes.ts";
import type { Project } from "./project.ts";
import { type DataTestInput, TEST_CONFIG_KEYS, type TestConfigInput, testConfigInput } from "./properties.ts";
import { type NameIndex, resolveArgument } from "./references.ts";
import { type Literal, parseTemplate } from "./template.ts";

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
  where: string;
  file: string;
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
        const where = file.locate([...at.path, key, place]);
        declarations.push({ input, subject, column: at.column, where, file: file.path });
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
  const relation = dialect.nameOf(subject.relation);
  const sql = definition.sql(
    {
      dialect,
      relation:
        config.where === null ? relation : `(select * from ${relation} where ${config.where}) as subject`,
      column: column === null ? null : dialect.quote(column),
      resolve: (argument) => {
        const node = resolveArgument(scope.index, argument, where);
        dependsOn.add(node.id);
        return dialect.nameOf(node.relation);
      },
    },
    parseArguments(definition, args, { type, where }),
  );
  const fullName = testName(type, subject, column === null ? args : { ...args, column_name: column });
  const name = givenName ?? fullName;
  const hash = md5(`${name}${JSON.stringify([type, subject.id, column, args])}`).slice(-10);
  return {
    kind: "test",
    id: `test.${scope.project.name}.${name}.${hash}`,
    name,
    fqn: [...subject.fqn.slice(0, -1), name],
    file: declaration.file,
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
  const definition = GENERIC_TESTS[type];
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
function splitInput({ input, where }: Declaration): SplitInput {
  const [type = "", body] = typeof input === "string" ? [input, {}] : (Object.entries(input)[0] ?? []);
  const { name, description, config, arguments: nested, ...rest } = body ?? {};
  const inline = Object.entries(rest).filter(([key]) => TEST_CONFIG_KEYS.includes(key));
  const own = Object.entries(rest).filter(([key]) => !TEST_CONFIG_KEYS.includes(key));
  const parsed = testConfigInput.safeParse({ ...Object.fromEntries(inline), ...asMap(config) });
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw testError(
      "TEST_CONFIG_INVALID",
      where,
      `test "${type}": config ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
      [],
      `known config: ${TEST_CONFIG_KEYS.join(", ")}`,
    );
  }
  return {
    type,
    name: typeof name === "string" ? name : undefined,
    description: typeof description === "string" ? description : "",
    config: mergeTestConfig([parsed.data]),
    args: { ...Object.fromEntries(own), ...asMap(nested) },
  };
}

function asMap(value: Literal | undefined): Record<string, Literal> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

function mergeTestConfig(inputs: readonly TestConfigInput[]): TestConfig {
  const merged = { ...TEST_DEFAULTS };
  for (const input of inputs) {
    const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
    Object.assign(merged, given);
  }
  return merged;
}

function parseArguments(
  definition: GenericTestDefinition,
  args: Record<string, Literal>,
  at: { type: string; where: string },
): Record<string, unknown> {
  const parsed = definition.arguments.safeParse(args);
  if (parsed.success) return parsed.data;
  const known = Object.keys(definition.arguments.shape);
  const why = parsed.error.issues.map((issue) =>
    issue.code === "unrecognized_keys"
      ? `unknown argument ${issue.keys.map((key) => `"${key}"`).join(", ")}`
      : `argument "${issue.path.join(".")}": ${issue.message}`,
  );
  const hint = known.length > 0 ? `its arguments are: ${known.join(", ")}` : "it takes no arguments";
  throw testError("TEST_ARGUMENTS", at.where, `test "${at.type}" has wrong arguments`, why, hint);
}

/** dbt's name for a generic test: test, model, arguments sorted by key, odd characters as underscores. */
function testName(type: string, subject: ModelNode | SourceNode, args: Record<string, Literal>): string {
  const owner =
    subject.kind === "source"
      ? `source_${type}_${subject.sourceName}_${subject.name}`
      : `${type}_${subject.name}`;
  const parts = Object.entries(args)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
    .map((value) => String(value).replace(/[^0-9a-zA-Z_]+/g, "_"));
  return parts.length > 0 ? `${owner}_${parts.join("__")}` : owner;
}

function md5(text: string): string {
  return createHash("md5").update(text).digest("hex");
}

/** SQL files that return the rows which break a claim. */
export function loadSingularTests(ctx: Context, scope: Omit<TestScope, "index" | "dialect">): TestNode[] {
  const { project, mistakes } = scope;
  const names = new Map<string, string>();
  return listFiles(ctx.projectDir, project.testPaths, [".sql"]).flatMap((file) => {
    const template = mistakes.attempt(() => parseTemplate(file, readTextFile(ctx.projectDir, file)));
    if (template === undefined) return [];
    const name = basename(file, ".sql");
    const former = names.get(name);
    if (former !== undefined) {
      mistakes.add(
        testError(
          "TEST_DUPLICATE",
          `${file}:1:1`,
          `test "${name}" exists twice`,
          [`the other file: ${former}`],
          "rename one of them",
        ),
      );
    }
    names.set(name, file);
    const config = mergeTestConfig(templateConfig(template, testConfigInput, mistakes));
    if (!config.enabled) return [];
    return [
      {
        kind: "test" as const,
        id: `test.${project.name}.${name}`,
        name,
        fqn: [project.name, ...file.split("/").slice(1, -1), name],
        file,
        description: leadingComment(template.source),
        tags: config.tags,
        dependsOn: [],
        config,
        where: `${file}:1:1`,
        generic: null,
        template,
      },
    ];
  });
}

/** The claim that a test file opens with. */
function leadingComment(sql: string): string {
  const lines = /^(?:--.*(?:\r?\n|$))+/.exec(sql.trimStart())?.[0] ?? "";
  return lines
    .split(/\r?\n/)
    .map((line) => line.replace(/^--\s?/, ""))
    .join(" ")
    .trim();
}

function testError(code: string, where: string, message: string, why: string[], hint: string): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}
