import type { Relation } from "../../engines/engine.ts";
import type { TestConfig } from "../graph/nodes.ts";
import type { Mistakes } from "../project/collect.ts";
import { type ConfigTree, configTree, folderConfigs, schemaName } from "../project/model-config.ts";
import type { Project } from "../project/project.ts";
import { type TestConfigInput, testConfigInput } from "../project/properties.ts";

/** What a data test does that configures nothing. */
export const TEST_DEFAULTS: TestConfig = {
  severity: "error",
  warn_if: "!= 0",
  error_if: "!= 0",
  fail_calc: "count(*)",
  where: null,
  limit: null,
  store_failures: null,
  store_failures_as: null,
  schema: "dbt_test__audit",
  alias: null,
  enabled: true,
  tags: [],
  meta: {},
};

/** The `tests:` and `data_tests:` trees of the project's file. */
export type TestConfigTrees = readonly ConfigTree<TestConfigInput>[];

export function testConfigTrees(project: Project, mistakes: Mistakes): TestConfigTrees {
  return (["tests", "data_tests"] as const).map((key) =>
    configTree(project, { key, levels: project.testConfigs[key], schema: testConfigInput }, mistakes),
  );
}

/** What the project's file says of a test. */
export function projectTestConfigs(trees: TestConfigTrees, fqn: readonly string[]): TestConfigInput[] {
  return trees.flatMap((tree) => folderConfigs(tree, fqn));
}

/** The defaults, and what is given; later inputs win, tags add up and maps merge. */
export function mergeTestConfig(inputs: readonly TestConfigInput[]): TestConfig {
  const merged = { ...TEST_DEFAULTS };
  for (const input of inputs) {
    const tags = [...new Set([...merged.tags, ...(input.tags ?? [])])];
    const meta = { ...merged.meta, ...input.meta };
    const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
    Object.assign(merged, given, { tags, meta });
  }
  return merged;
}

/** Where failing rows are stored, if they are. */
export function failuresRelation(
  { project, targetSchema }: { project: Project; targetSchema: string },
  config: TestConfig,
  name: string,
): Relation {
  const schema = schemaName(project, config, targetSchema);
  return { schema, name: config.alias ?? name };
}
