import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProject, mistakesIn, openWarehouse, type ProjectOptions } from "./project.ts";

const MODEL = {
  "models/marts/m.sql": "{{ config(materialized='table') }}select * from (values (1), (5)) as t(a)",
};

async function checked(files: Record<string, string>, options: ProjectOptions = {}) {
  const warehouse = await openWarehouse(createProject({ ...MODEL, ...files }, options));
  await warehouse.build();
  return warehouse.check();
}

const onColumn = (declared: string) => ({
  "models/marts/m.yml": `models: [{name: m, columns: [{name: a, data_tests: [${declared}]}]}]`,
});

describe("test_name:", () => {
  test("names the test, and everything else stands beside it", async () => {
    const [result] = await checked(
      onColumn(
        "{name: few, test_name: accepted_values, arguments: {values: [1]}, config: {severity: warn}, tags: [t]}",
      ),
    );
    expect(result).toMatchObject({
      status: "warn",
      failures: 1,
      node: { name: "few", tags: ["t"], generic: { type: "accepted_values", columnName: "a" } },
    });
  });

  test("on a model names the column too", async () => {
    const [result] = await checked({
      "models/marts/m.yml":
        "models: [{name: m, data_tests: [{name: mine, test_name: dbt_utils.accepted_range, column_name: a, min_value: 3}]}]",
    });
    expect(result).toMatchObject({
      status: "fail",
      node: { name: "mine", generic: { namespace: "dbt_utils" } },
    });
  });

  test("mistakes in it have their places", () => {
    const mistakes = mistakesIn({
      ...MODEL,
      "models/marts/m.yml": [
        "models:",
        "  - name: m",
        "    columns:",
        "      - name: a",
        "        data_tests:",
        "          - test_name: accepted_values",
        "            value: [1]",
        "            config: {severty: warn}",
        "          - test_name: accepted_values",
        "            arguments: {value: [1]}",
      ].join("\n"),
    });
    expect(mistakes.map(({ code, where }) => [code, where])).toEqual([
      ["CONFIG_INVALID", "models/marts/m.yml:8:22"],
      ["TEST_ARGUMENTS", "models/marts/m.yml:9:13"],
      ["TEST_ARGUMENTS", "models/marts/m.yml:10:25"],
    ]);
  });
});

describe("configuration of tests in the project's file", () => {
  const project = (tree: string) => ({ "project.yml": `name: shop\nschema_names: exact\n${tree}` });
  const severities = async (files: Record<string, string>) => {
    const results = await checked({
      ...onColumn(
        "{accepted_values: {name: plain, values: [1]}}, {accepted_values: {name: strict, values: [1], severity: error}}",
      ),
      "models/other.sql": "{{ config(materialized='table') }}select null as a",
      "models/other.yml":
        "models: [{name: other, columns: [{name: a, data_tests: [{not_null: {name: elsewhere}}]}]}]",
      "tests/data/single.sql": "select * from {{ ref('m') }}",
      ...files,
    });
    return Object.fromEntries(results.map(({ node, status }) => [node.name, status]));
  };

  test.each<[string, string, Record<string, string>]>([
    [
      "for all",
      "data_tests: {+severity: warn}",
      { plain: "warn", strict: "fail", elsewhere: "warn", single: "warn" },
    ],
    [
      "under the older name",
      "tests: {shop: {+severity: warn}}",
      { plain: "warn", strict: "fail", elsewhere: "warn", single: "warn" },
    ],
    [
      "by folder",
      "data_tests: {shop: {marts: {+severity: warn}}}",
      { plain: "warn", strict: "fail", elsewhere: "fail", single: "fail" },
    ],
    [
      "the inner folder wins",
      "data_tests: {shop: {+enabled: false, marts: {+enabled: true}}}",
      { plain: "fail", strict: "fail" },
    ],
    [
      "filled in",
      "vars: {how: warn}\ndata_tests: {+severity: \"{{ var('how') }}\"}",
      { plain: "warn", strict: "fail", elsewhere: "warn", single: "warn" },
    ],
  ])("%s", async (_, tree, expected) => {
    expect(await severities(project(tree))).toEqual(expected);
  });

  test("is read in dbt_project.yml, where keys of other tools do nothing", () => {
    const shop = createProject({
      ...MODEL,
      ...onColumn("not_null, {unique: {severity: error}}"),
      "dbt_project.yml": "name: shop\ndata_tests: {shop: {marts: {+severity: warn, +no_such: 1}}}\n",
    });
    rmSync(join(shop.ctx.projectDir, "project.yml"));
    expect(shop.test("not_null_m_a").config.severity).toBe("warn");
    expect(shop.test("unique_m_a").config.severity).toBe("error");
    expect(shop.log.map(({ message }) => message)).toContain(
      `these configs do nothing here:\n  dbt_project.yml:2:46  "+no_such": unknown`,
    );
  });

  test("comes before config() of an own generic test, which comes before its use", async () => {
    const own = "{{ config(severity='warn', tags=['own']) }}select {{ column_name }} from {{ model }}";
    const results = await checked({
      ...project("data_tests: {+severity: error, +tags: [all], +store_failures: true}"),
      ...onColumn("{mine: {name: quiet}}, {mine: {name: loud, severity: error, tags: [use]}}"),
      "tests/generic/mine.sql": own,
    });
    expect(results.map(({ node, status, isStored }) => [node.name, status, isStored, node.tags])).toEqual([
      ["quiet", "warn", true, ["all", "own"]],
      ["loud", "fail", true, ["all", "own", "use"]],
    ]);
  });

  test("is wrong with a place", () => {
    const mistakes = mistakesIn({ ...MODEL, ...project("data_tests:\n  shop:\n    +severty: warn") });
    expect(mistakes).toMatchObject([
      { code: "CONFIG_INVALID", where: "project.yml:5:5", why: ["nearest names: severity"] },
    ]);
  });
});

describe("calls in the YAML of tests", () => {
  test("fill in arguments and configuration; names keep the text", async () => {
    const results = await checked(
      onColumn(
        `{accepted_range: {max_value: "{{ var('most') }}"}}, {accepted_values: {name: listed, values: ["{{ env_var('ONE') }}", 5], severity: "{{ var('how', 'warn') }}"}}, {expression_is_true: {name: above, expression: "> {{ var('most') }} - 10", where: "a < {{ var('most') }}"}}`,
      ),
      { vars: { most: 4 }, env: { ONE: "2" } },
    );
    expect(results.map(({ node, status, failures }) => [node.name, status, failures])).toEqual([
      ["accepted_range_m_a___var_most_", "fail", 1],
      ["listed", "warn", 1],
      ["above", "pass", 0],
    ]);
  });

  test("without a value are a mistake at the test", () => {
    expect(
      mistakesIn({ ...MODEL, ...onColumn(`{accepted_range: {max_value: "{{ var('most') }}"}}`) }),
    ).toMatchObject([{ code: "VAR_MISSING", where: "models/marts/m.yml:1:53" }]);
  });

  test("are not seen in patterns", async () => {
    const [result] = await checked(onColumn("{matches_regex: {regex: '^[15]{{0}}?'}}"));
    expect(result?.error?.code).not.toBe("TEST_ARGUMENTS");
  });

  test("that are neither var nor env_var are a mistake", () => {
    const [mistake] = mistakesIn({
      ...MODEL,
      ...onColumn(`{accepted_range: {max_value: "1 + {{ top() }}"}}`),
    });
    expect(mistake).toMatchObject({
      code: "TEST_ARGUMENTS",
      message: 'argument "max_value" of test "accepted_range" is a template: write the value itself',
    });
  });
});

test("models, seeds, snapshots and sources are tested and referred to alike", async () => {
  const kinds = ["ref('m')", "ref('s')", "ref('snap')", "source('raw', 't')"];
  const tests = kinds.map((to) => `{relationships: {to: "${to}", field: a}}`).join(", ");
  const columns = `columns: [{name: a, data_tests: [not_null, ${tests}]}]`;
  const project = createProject({
    ...MODEL,
    "seeds/s.csv": "a\n1\n5\n",
    "models/y.yml": [
      `models: [{name: m, ${columns}}]`,
      `seeds: [{name: s, ${columns}}]`,
      `snapshots: [{name: snap, relation: ref('m'), config: {strategy: check, unique_key: a, check_cols: all}, ${columns}}]`,
      `sources: [{name: raw, tables: [{name: t, ${columns}}]}]`,
    ].join("\n"),
  });
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  await warehouse.session.run("create schema raw");
  for (const table of ["main.s", "main.snap", "raw.t"])
    await warehouse.session.run(`create table ${table} as select * from main.m`);
  const results = await warehouse.check();
  expect(results).toHaveLength(20);
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(["pass"]));
});
