import type { ManifestMacro, ManifestNode, ManifestUnitTest } from "../../artifacts/manifest.ts";
import { storageOf } from "../data-tests/failure-tables.ts";
import { TEST_DEFAULTS } from "../data-tests/test-config.ts";
import { pythonText, subjectReference } from "../data-tests/test-names.ts";
import { testFile } from "../graph/compile.ts";
import { type RelationNode, type TestNode, testsOf, type UnitTestNode } from "../graph/nodes.ts";
import { macrosIn } from "../templates/macros.ts";
import type { Literal, Template } from "../templates/template.ts";
import { testConfigEntry } from "./configs.ts";
import { type Compiled, templateEntry } from "./nodes.ts";
import { checksum, commonEntry, type ManifestScope, pathOf, relationName } from "./parts.ts";
import { GENERIC_TEST_SHAPE } from "./shapes.ts";

export function testEntry(test: TestNode, scope: ManifestScope, compiled: Compiled): ManifestNode {
  const { generic, config } = test;
  const alias = generic === null || test.relation.name === test.name ? config.alias : test.relation.name;
  const own = {
    resource_type: "test" as const,
    database: scope.target.database,
    schema: test.relation.schema,
    alias: test.relation.name,
    relation_name: storageOf(config, false) === null ? null : relationName(scope, test.relation),
    config: testConfigEntry(config, alias),
    meta: config.meta,
    columns: {},
    patch_path: null,
  };
  const common = commonEntry(test, scope);
  const template = templateEntry(test, scope, compiled);
  if (generic === null) {
    const source = test.template?.source ?? "";
    return { ...common, ...template, ...own, raw_code: source.trim(), checksum: checksum(source) };
  }
  return Object.assign(
    { ...GENERIC_TEST_SHAPE },
    common,
    template,
    own,
    genericKeys(test, scope, given(test, alias)),
  );
}

/** What only generic tests have; dbt names the nodes that arguments name before the one that is tested. */
function genericKeys(test: TestNode, scope: ManifestScope, config: Record<string, Literal>) {
  const { generic } = test;
  if (generic === null) return {};
  const subject = scope.graph.nodes.get(generic.attachedTo) as RelationNode | undefined; // tests stand below these
  const nodes = [...test.dependsOn.filter((id) => id !== generic.attachedTo), generic.attachedTo];
  const own = ownTemplate(test);
  const refs = nodes.flatMap((id) => {
    const node = scope.graph.nodes.get(id);
    return node === undefined || node.kind === "source"
      ? []
      : { name: node.name, package: null, version: null };
  });
  const prefix = generic.namespace === null ? "" : `${generic.namespace}.`;
  const configText = Object.entries(config).map(
    ([key, value]) =>
      `${key}=${typeof value === "string" ? `"${value.replaceAll('"', '\\"')}"` : pythonText(value)}`,
  );
  return {
    path: testFile(test),
    refs,
    depends_on: {
      macros:
        own === null
          ? []
          : [macroId(scope, generic.type), ...macrosIn(scope.graph.macros, own.uses).map(({ id }) => id)],
      nodes: subject === undefined ? test.dependsOn : nodes,
    },
    raw_code: `{{ ${prefix}test_${generic.type}(**_dbt_generic_test_kwargs) }}${configText.length === 0 ? "" : `{{ config(${configText.join(",")}) }}`}`,
    unrendered_config: config,
    checksum: { name: "none", checksum: "" },
    group: subject?.kind === "model" ? (subject.config.group ?? null) : null,
    column_name: generic.columnName,
    file_key_name:
      subject?.kind === "source"
        ? `sources.${subject.sourceName}`
        : `${subject?.kind ?? "model"}s.${subject?.name ?? ""}`,
    attached_node: subject?.kind === "source" ? null : generic.attachedTo,
    test_metadata: {
      name: generic.type,
      kwargs: {
        ...(generic.columnName === null ? {} : { column_name: generic.columnName }),
        ...generic.arguments,
        ...(subject === undefined ? {} : { model: `{{ get_where_subquery(${subjectReference(subject)}) }}` }),
      },
      namespace: generic.namespace,
    },
  };
}

/** The order in which dbt writes the configs of a test into its code. */
const CONFIG_ORDER = [
  ...["severity", "tags", "enabled", "where", "limit", "warn_if", "error_if", "fail_calc"],
  ...["store_failures", "store_failures_as", "meta", "database", "schema", "alias"],
];

/** The configs that are not dbt's defaults. */
function given({ config }: TestNode, alias: string | null): Record<string, Literal> {
  const all = { ...config, alias } as Record<string, Literal>; // read from YAML or literals
  const defaults = TEST_DEFAULTS as unknown as Record<string, Literal>;
  const isGiven = (key: string) =>
    all[key] !== defaults[key] && JSON.stringify(all[key]) !== JSON.stringify(defaults[key]);
  return Object.fromEntries(CONFIG_ORDER.filter(isGiven).map((key) => [key, all[key] ?? null]));
}

function ownTemplate({ generic }: TestNode): Template | null {
  return typeof generic?.sql === "object" ? generic.sql.template : null;
}

function macroId({ graph }: ManifestScope, type: string): string {
  return `macro.${graph.projectName}.test_${type}`;
}

/** The project's own generic tests, which are macros to dbt; those that are used. */
export function genericTestMacros(scope: ManifestScope): ManifestMacro[] {
  const byType = new Map<string, Template>();
  for (const test of testsOf(scope.graph)) {
    const template = ownTemplate(test);
    if (template !== null && test.generic !== null) byType.set(test.generic.type, template);
  }
  return [...byType].map(([type, template]) => ({
    unique_id: macroId(scope, type),
    resource_type: "macro",
    name: `test_${type}`,
    package_name: scope.graph.projectName,
    path: template.file,
    original_file_path: template.file,
    macro_sql: template.source,
    depends_on: { macros: macrosIn(scope.graph.macros, template.uses).map(({ id }) => id) },
    description: "",
    meta: {},
    docs: { show: true, node_color: null },
    config: { meta: {}, docs: { show: true, node_color: null } },
    patch_path: null,
    arguments: [],
    created_at: scope.createdAt,
    supported_languages: null,
  }));
}

export function unitTestEntry(test: UnitTestNode, { graph, createdAt }: ManifestScope): ManifestUnitTest {
  const { declared, overrides, materialize, idempotent, config } = test;
  return {
    unique_id: test.id,
    resource_type: "unit_test",
    name: test.name,
    package_name: graph.projectName,
    path: pathOf(test),
    original_file_path: test.file,
    fqn: test.fqn,
    description: test.description,
    model: graph.nodes.get(test.subject)?.name ?? "",
    given: declared.given,
    expect: declared.expect,
    overrides,
    config: { ...config, materialize, idempotent },
    depends_on: { macros: [], nodes: test.dependsOn },
    checksum: checksum(JSON.stringify([declared, overrides, materialize, idempotent])).checksum,
    schema: null,
    version: null,
    versions: null,
    created_at: createdAt,
  };
}
