import { basename } from "node:path";
import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { Dialect } from "../../engines/engine.ts";
import type { Mistakes } from "../project/collect.ts";
import { listFiles } from "../project/files.ts";
import { templateConfig } from "../project/model-config.ts";
import type { Project } from "../project/project.ts";
import { TEST_CONFIG_KEYS, type TestConfigInput, testConfigInput } from "../project/properties.ts";
import type { Macros } from "../templates/macro.ts";
import { usesWithMacros } from "../templates/macros.ts";
import { type Literal, parseTemplate, type Template, type TemplateUse } from "../templates/template.ts";
import { checkNames } from "../templates/template-names.ts";
import { fromDbtTest } from "./dbt-test-block.ts";
import type { GenericTestDefinition } from "./generic-tests/definition.ts";
import { emptyTest, hasSql, type OwnTests, testError } from "./test-types.ts";

const GENERIC_FOLDER = "tests/generic";

/** A project's own test, and what its `config(…)` says for all that use it. */
export interface OwnTest extends GenericTestDefinition {
  template: Template;
  config: TestConfigInput[];
}

/** Where templates of generic tests lie: `tests/generic`, and `generic` in every folder of tests. */
function genericFolders(project: Project): string[] {
  return [...new Set([GENERIC_FOLDER, ...project.testPaths.map((folder) => `${folder}/generic`)])];
}

export function isGenericTestFile(project: Project, file: string): boolean {
  return genericFolders(project).some((folder) => file.startsWith(`${folder}/`));
}

/** SQL files whose name is a test's, and whose SQL is rendered for each use of it. */
export function loadOwnTests(
  ctx: Context,
  scope: { project: Project; macros: Macros; dialect: Dialect; mistakes: Mistakes },
): OwnTests {
  const { project, mistakes } = scope;
  const tests = new Map<string, GenericTestDefinition>();
  const files = new Map<string, string>();
  for (const file of listFiles(ctx.projectDir, genericFolders(project), [".sql"])) {
    mistakes.attempt(() => {
      const { name: given, source } = fromDbtTest(readTextFile(ctx.projectDir, file));
      const name = given ?? basename(file, ".sql");
      const former = files.get(name);
      if (former !== undefined) mistakes.add(definedTwice(name, file, former));
      files.set(name, file);
      tests.set(name, UNREADABLE);
      tests.set(name, ownTest(parseTemplate(file, source), scope));
    });
  }
  return { projectName: project.name, tests };
}

/** Stands for a test whose file has mistakes, so that its uses are not mistakes too. */
const UNREADABLE: GenericTestDefinition = { on: "either", arguments: z.looseObject({}), sql: () => "" };

function definedTwice(name: string, file: string, former: string) {
  const why = [`the other file: ${former}`];
  return testError("TEST_DUPLICATE", `${file}:1:1`, `test "${name}" exists twice`, why, "rename one of them");
}

function ownTest(
  template: Template,
  scope: { dialect: Dialect; macros: Macros; mistakes: Mistakes },
): OwnTest {
  if (!hasSql(template.source.replace(/\{\{.*?\}\}/gs, ""))) throw emptyTest(template.file);
  const declared = declaredArguments(template, scope.mistakes);
  const values = ["model", "column_name", ...Object.keys(declared.shape)];
  const names = { ...scope, values, calls: ["arguments"], hasRelation: false };
  checkNames(template, names, scope.mistakes);
  return {
    on: template.uses.some(({ name }) => name === "column_name") ? "column" : "model",
    arguments: declared,
    config: templateConfig({ uses: usesWithMacros(scope.macros, template) }, testConfigInput, scope.mistakes),
    sql: () => "",
    template,
  };
}

const RESERVED = ["model", "column_name", "name", "description", "config", "arguments"];

/** `{{ arguments('needed', other=10) }}`: names of what has to be given, and defaults of what may be. */
function declaredArguments(template: Template, mistakes: Mistakes): z.ZodObject {
  const shape: Record<string, z.ZodType> = {};
  for (const use of template.uses.filter(({ name, isCall }) => isCall && name === "arguments")) {
    const add = (name: string, type: z.ZodType) => {
      const isTaken = Object.hasOwn(shape, name) || [...RESERVED, ...TEST_CONFIG_KEYS].includes(name);
      if (isTaken || !/^[A-Za-z_]\w*$/.test(name)) mistakes.add(wrongName(use, name));
      else shape[name] = type;
    };
    for (const name of use.args) add(String(name), z.json());
    for (const [name, value] of Object.entries(use.named)) {
      if (value === undefined) mistakes.add(dynamicDefault(use, name));
      else add(name, z.json().default(value));
    }
  }
  return z.strictObject(shape);
}

function wrongName({ where }: TemplateUse, name: string) {
  return testError(
    "TEST_ARGUMENTS",
    where,
    `"${name}" cannot be the name of an argument`,
    ["names are letters, digits and underscores, each once, and no keys of a test's configuration"],
    "write {{ arguments('needed', other=10) }}",
  );
}

function dynamicDefault({ where }: TemplateUse, name: string) {
  const message = `the default of argument "${name}" must be a literal value`;
  return testError("TEST_ARGUMENTS", where, message, [], "write the value itself");
}

/** What a test's template reads: relations that its arguments name are resolved. */
export function ownTestValues(
  given: { relation: string; column: string | null; args: Record<string, unknown> },
  resolve: (argument: string) => string,
): Record<string, unknown> {
  const args = Object.entries(given.args).map(([name, value]) => {
    const isReference = typeof value === "string" && /^\s*(\{\{\s*)?(ref|source)\s*\(.*\)/s.test(value);
    return [name, isReference ? resolve(value) : (value as Literal)];
  });
  return { ...Object.fromEntries(args), model: given.relation, column_name: given.column };
}
