import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeManifest } from "../../artifacts/manifest.ts";
import { writeRunResults } from "../../artifacts/run-results.ts";
import { compileNodes, writeCompiled } from "../../runner/graph/compile.ts";
import { modelsOf, testsOf } from "../../runner/graph/nodes.ts";
import { manifestContent } from "../../runner/to-artifacts/manifest.ts";
import { runResultEntries } from "../../runner/to-artifacts/results.ts";
import { createProject, openWarehouse } from "./project.ts";

const FILES = {
  "models/marts/m.sql": "{{ config(materialized='table', tags=['x']) }}\nselect 1 as a",
  "models/marts/bad.sql": "select nope",
  "models/marts/child.sql": "select * from {{ ref('bad') }}, {{ source('api', 't') }}",
  "models/marts/m.yml": `models:
  - name: m
    description: One row.
    columns:
      - name: a
        description: A number.
        data_type: integer
        data_tests: [unique, {accepted_values: {values: [5], severity: warn}}]
sources:
  - {name: api, schema: raw_api, tables: [{name: t, columns: [{name: k, tests: [not_null]}]}]}
`,
  "tests/data/m__holds.sql": "-- It holds.\nselect * from {{ ref('m') }} where a > 1",
};

/** Builds and tests the project, and gives what it wrote below target/. */
async function artifacts() {
  const project = createProject(FILES, { env: { DBT_ENV_CUSTOM_ENV_TEAM: "data" } });
  const { ctx } = project;
  const warehouse = await openWarehouse(project);
  const results = [...(await warehouse.build()), ...(await warehouse.check())];
  const scope = project.scope();
  const nodes = [...modelsOf(scope.graph), ...testsOf(scope.graph)];
  const compiled = compileNodes(ctx, scope, nodes);
  const target = join(ctx.projectDir, "target");
  writeCompiled(target, scope.project, { nodes, sql: compiled });
  writeManifest(ctx, target, manifestContent(scope, compiled));
  const args = { which: "build", invocation_command: "run pipeline" };
  writeRunResults(ctx, target, {
    results: runResultEntries(scope, results, compiled),
    elapsedSeconds: 1,
    args,
  });
  const read = (file: string) => JSON.parse(readFileSync(join(target, file), "utf8"));
  return { ctx, target, manifest: read("manifest.json"), runResults: read("run_results.json") };
}

const keys = (value: object) => Object.keys(value).sort();
const words = (text: string) => text.trim().split(/\s+/).sort();

const METADATA = "dbt_schema_version dbt_version generated_at invocation_id invocation_started_at env";
const NODE = `name resource_type package_name path original_file_path unique_id fqn alias database schema checksum
  config tags description columns meta group docs patch_path build_path unrendered_config created_at relation_name
  raw_code doc_blocks language refs sources metrics functions depends_on compiled_path compiled compiled_code
  extra_ctes_injected extra_ctes contract`;

test("manifest.json has dbt's keys", async () => {
  const { manifest } = await artifacts();
  expect(keys(manifest)).toEqual(
    words(`metadata nodes sources macros docs exposures metrics groups selectors disabled parent_map child_map
      group_map saved_queries semantic_models unit_tests functions`),
  );
  expect(keys(manifest.metadata)).toEqual(
    words(
      `${METADATA} project_name project_id user_id send_anonymous_usage_stats adapter_type quoting run_started_at`,
    ),
  );
  expect(manifest.metadata).toMatchObject({
    dbt_schema_version: "https://schemas.getdbt.com/dbt/manifest/v12.json",
    adapter_type: "duckdb",
    env: { TEAM: "data" },
    generated_at: expect.stringMatching(/Z$/),
  });
});

test("a model, a generic and a singular test have dbt's keys", async () => {
  const { nodes } = (await artifacts()).manifest;
  expect(keys(nodes["model.shop.m"])).toEqual(
    words(`${NODE} access constraints version latest_version deprecation_date primary_key time_spine`),
  );
  const generic = Object.keys(nodes).find((id) => id.startsWith("test.shop.unique_m_a."));
  expect(keys(nodes[generic ?? ""])).toEqual(
    words(`${NODE} column_name file_key_name attached_node test_metadata`),
  );
  expect(keys(nodes["test.shop.m__holds"])).toEqual(words(NODE));
});

test("a model says where it is from, where it goes and what it reads", async () => {
  const { nodes, parent_map, child_map } = (await artifacts()).manifest;
  expect(nodes["model.shop.child"]).toMatchObject({
    resource_type: "model",
    path: "marts/child.sql",
    original_file_path: "models/marts/child.sql",
    fqn: ["shop", "marts", "child"],
    relation_name: '"warehouse"."main"."child"',
    refs: [{ name: "bad", package: null, version: null }],
    sources: [["api", "t"]],
    depends_on: { macros: [], nodes: ["model.shop.bad", "source.shop.api.t"] },
    compiled_path: "target/compiled/shop/models/marts/child.sql",
  });
  expect(parent_map["model.shop.child"]).toEqual(["model.shop.bad", "source.shop.api.t"]);
  expect(child_map["source.shop.api.t"]).toContain("model.shop.child");
});

test("a generic test says what it is attached to", async () => {
  const { nodes } = (await artifacts()).manifest;
  const entry = Object.values<Record<string, unknown>>(nodes).find(
    ({ name }) => name === "accepted_values_m_a__5",
  );
  expect(entry).toMatchObject({
    resource_type: "test",
    column_name: "a",
    attached_node: "model.shop.m",
    file_key_name: "models.m",
    test_metadata: { name: "accepted_values", kwargs: { column_name: "a", values: [5] }, namespace: null },
    config: { severity: "WARN" },
  });
});

test("a test whose name is too long for a table has dbt's short alias", async () => {
  const { scope } = createProject({
    "models/orders.sql": "select 1",
    "models/m.yml":
      "models: [{name: orders, columns: [{name: status, tests: [{accepted_values: {values: [placed, shipped, completed, return_pending, returned]}}]}]}]",
  });
  const [entry] = manifestContent(scope(), new Map()).nodes.filter((node) => node.resource_type === "test");
  expect(entry?.alias).toBe("accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758");
});

test("nodes that were not compiled leave out what dbt leaves out", () => {
  const { scope } = createProject(FILES);
  const [entry] = manifestContent(scope(), new Map()).nodes;
  expect(entry).toMatchObject({ compiled_path: null });
  for (const key of ["compiled", "compiled_code", "extra_ctes", "extra_ctes_injected"])
    expect(entry).not.toHaveProperty(key);
});

test("run_results.json has dbt's keys for every result", async () => {
  const { runResults } = await artifacts();
  expect(keys(runResults)).toEqual(words("metadata results elapsed_time args"));
  expect(keys(runResults.metadata)).toEqual(words(METADATA));
  expect(runResults.args).toMatchObject({ which: "build", invocation_command: "run pipeline" });
  for (const result of runResults.results) {
    expect(keys(result)).toEqual(
      words(`status timing thread_id execution_time adapter_response unique_id message failures compiled
        compiled_code relation_name batch_results overload_results`),
    );
  }
});

test("run_results.json tells every outcome in dbt's words", async () => {
  const { runResults } = await artifacts();
  const outcome = (start: string) =>
    runResults.results.find(({ unique_id }: { unique_id: string }) => unique_id.startsWith(start));
  expect(outcome("model.shop.m")).toMatchObject({
    status: "success",
    adapter_response: { rows_affected: 1 },
  });
  expect(outcome("model.shop.bad")).toMatchObject({
    status: "error",
    message: expect.stringContaining("models/marts/bad.sql:1:8"),
  });
  expect(outcome("model.shop.child")).toMatchObject({ status: "skipped", message: "bad failed" });
  expect(outcome("test.shop.unique_m_a")).toMatchObject({ status: "pass", failures: 0 });
  expect(outcome("test.shop.accepted_values_m_a")).toMatchObject({ status: "warn", failures: 1 });
  expect(outcome("test.shop.source_not_null")).toMatchObject({ status: "error", failures: null });
});

test("the compiled SQL is what the engine is given, in dbt's place", async () => {
  const { target, ctx } = await artifacts();
  const read = (file: string) => readFileSync(join(target, "compiled/shop", file), "utf8");
  expect(read("models/marts/child.sql")).toBe('select * from "main"."bad", "raw_api"."t"\n');
  expect(read("models/marts/m.yml/unique_m_a.sql")).toContain('from "main"."m"');
  expect(existsSync(join(target, "runs", ctx.invocationId, "run_results.json"))).toBe(true);
});

test("a test of a package that stores its rows says so in dbt's words", async () => {
  const project = createProject({
    "models/m.sql": "select 1 as a",
    "models/m.yml":
      "models: [{name: m, columns: [{name: a, tests: [{dbt_utils.accepted_range: {min_value: 2, store_failures: true}}]}]}]",
  });
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const results = await warehouse.check();
  const scope = project.scope();
  const [entry] = manifestContent(scope, new Map()).nodes.filter((node) => node.resource_type === "test");
  const relation_name = '"warehouse"."dbt_test__audit"."dbt_utils_accepted_range_m_a__2"';
  expect(entry).toMatchObject({
    relation_name,
    raw_code:
      "{{ dbt_utils.test_accepted_range(**_dbt_generic_test_kwargs) }}{{ config(store_failures=True) }}",
    test_metadata: { name: "accepted_range", namespace: "dbt_utils" },
    config: { store_failures: true, schema: "dbt_test__audit" },
  });
  expect(runResultEntries(scope, results, new Map())).toMatchObject([{ status: "fail", relation_name }]);
});
