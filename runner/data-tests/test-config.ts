import type { Relation } from "../../engines/engine.ts";
import type { TestConfig } from "../graph/nodes.ts";
import { schemaName } from "../project/model-config.ts";
import type { Project } from "../project/project.ts";
import type { TestConfigInput } from "../project/properties.ts";

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

/** The defaults, and what is given; later inputs win. */
export function mergeTestConfig(inputs: readonly TestConfigInput[]): TestConfig {
  const merged = { ...TEST_DEFAULTS };
  for (const input of inputs) {
    const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
    Object.assign(merged, given);
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
