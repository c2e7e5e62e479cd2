import { basename } from "node:path";
import type { Context } from "../../core/context.ts";
import { createTextReader } from "../../core/text-file.ts";
import type { TestNode } from "../graph/nodes.ts";
import { listFiles } from "../project/files.ts";
import { templateConfig } from "../project/model-config.ts";
import type { ParseCache } from "../project/parse-cache.ts";
import { testConfigInput } from "../project/properties.ts";
import type { Macros } from "../templates/macro.ts";
import { usesWithMacros } from "../templates/macros.ts";
import { isFixtureFile } from "../unit-tests/fixtures.ts";
import type { TestScope } from "./data-test-nodes.ts";
import { isGenericTestFile } from "./own-tests.ts";
import { failuresRelation, mergeTestConfig, projectTestConfigs } from "./test-config.ts";
import { emptyTest, hasSql, testError } from "./test-types.ts";

/** SQL files that return the rows which break a claim. */
export function loadSingularTests(
  ctx: Context,
  scope: Pick<TestScope, "project" | "targetSchema" | "configs" | "mistakes"> & {
    macros: Macros;
    cache: ParseCache;
  },
): { tests: TestNode[]; disabled: TestNode[] } {
  const { project, macros, mistakes, cache } = scope;
  const names = new Map<string, string>();
  const read = createTextReader(ctx.projectDir);
  const all = listFiles(ctx.projectDir, project.testPaths, [".sql"]).flatMap((file) => {
    if (isGenericTestFile(project, file) || isFixtureFile(project, file)) return [];
    const template = mistakes.attempt(() => cache.template(file, read(file)));
    if (template === undefined) return [];
    mistakes.addAll(template.mistakes ?? []);
    if (!hasSql(template.source)) mistakes.add(emptyTest(file));
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
    const fqn = [project.name, ...file.split("/").slice(1, -1), name];
    const config = mergeTestConfig([
      ...projectTestConfigs(scope.configs, fqn),
      ...templateConfig({ uses: usesWithMacros(macros, template) }, testConfigInput, mistakes),
    ]);
    return [
      {
        kind: "test" as const,
        id: `test.${project.name}.${name}`,
        name,
        fqn,
        file,
        description: leadingComment(template.source),
        tags: config.tags,
        dependsOn: [],
        config,
        relation: failuresRelation(scope, config, name),
        where: `${file}:1:1`,
        generic: null,
        template,
      },
    ];
  });
  return {
    tests: all.filter(({ config }) => config.enabled),
    disabled: all.filter(({ config }) => !config.enabled),
  };
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
