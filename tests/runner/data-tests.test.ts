import { describe, expect, test } from "vitest";
import type { TestResult } from "../../runner/build/results.ts";
import { isTestResult } from "../../runner/build/results.ts";
import { createProject, openWarehouse } from "./project.ts";

const VALUES = "select * from (values (1, 'a'), (2, 'b'), (2, null), (null, 'c')) as t(id, name)";

/** The result of one test on a table of four rows, some of them odd. */
async function check(column: string, declared: string): Promise<TestResult | undefined> {
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": `{{ config(materialized='table') }}${VALUES}`,
      "models/parents.sql": "select 1 as id",
      "models/m.yml": `models: [{name: m, columns: [{name: ${column}, data_tests: [${declared}]}]}]`,
    }),
  );
  await warehouse.build();
  return (await warehouse.check())[0];
}

/** The result of a SQL file in tests/data. */
async function checkSql(sql: string): Promise<TestResult | undefined> {
  const warehouse = await openWarehouse(createProject({ "models/m.sql": VALUES, "tests/data/t.sql": sql }));
  await warehouse.build();
  return (await warehouse.check())[0];
}

describe("the generic tests", () => {
  test.each<[string, string, string, number]>([
    ["id", "not_null", "fail", 1],
    ["id", "unique", "fail", 1],
    ["id", "{accepted_values: {values: [1, 2]}}", "pass", 0],
    ["id", "{accepted_values: {values: [1], quote: false}}", "fail", 1],
    ["name", "{accepted_values: {values: [a, b]}}", "fail", 1],
    ["id", "{relationships: {to: ref('parents'), field: id}}", "fail", 2],
    ["id", "{relationships: {to: ref('m'), field: id}}", "pass", 0],
    ["id", "{unique: {where: id = 1}}", "pass", 0],
    ["id", "{not_null: {config: {where: \"name = 'c'\"}}}", "fail", 1],
    ["id", "{not_null: {severity: warn}}", "warn", 1],
    ["id", "{not_null: {error_if: '> 1'}}", "warn", 1],
    ["id", "{not_null: {error_if: '> 1', warn_if: '> 1'}}", "pass", 1],
    ["id", "{not_null: {severity: warn, warn_if: '> 0', error_if: '> 0'}}", "warn", 1],
    ["id", "{relationships: {to: ref('parents'), field: id, limit: 1}}", "fail", 1],
    ["id", "{unique: {fail_calc: sum(n_records)}}", "fail", 2],
    ["name", "{unique: {fail_calc: sum(n_records)}}", "pass", 0],
  ])("on %s: %s gives %s with %i", async (column, declared, status, failures) => {
    const result = await check(column, declared);
    expect(result).toMatchObject({ status, failures });
    expect(result?.sample === null).toBe(status === "pass");
  });

  test.each([
    ["nowhere", "not_null", "nowhere"],
    ["id", "{unique: {where: nowhere = 1}}", "nowhere"],
    ["id", "{unique: {fail_calc: sum(nowhere)}}", "nowhere"],
    ["id", "{unique: {warn_if: 'is what'}}", "what"],
    ["id", "{unique: {warn_if: '+ 1'}}", "the test gives no verdict"],
    ["id", "{unique: {fail_calc: max(cast(null as integer))}}", "the test gives no verdict"],
    [
      "id",
      "{unique: {fail_calc: \"'many'\", warn_if: \"= 'many'\", error_if: \"= 'many'\"}}",
      "the test gives no verdict",
    ],
    ["id", "{accepted_values: {values: [x], quote: false}}", "x"],
  ])("on %s: %s cannot be run", async (column, declared, message) => {
    const result = await check(column, declared);
    expect(result).toMatchObject({ status: "error", failures: null, sample: null });
    expect(result?.error?.message).toContain(message);
    expect(result?.error?.where).toMatch(/^models\/m\.yml:1:\d+$/);
  });

  test("show the rows that break them", async () => {
    const result = await check("id", "{relationships: {to: ref('parents'), field: id}}");
    expect(result?.sample).toMatchObject({
      columns: ["id", "name"],
      rows: [
        [2, "b"],
        [2, null],
      ],
    });
  });
});

describe("a test in SQL", () => {
  test.each<[string, string, string, number | null]>([
    ["no rows", "select * from {{ ref('m') }} where id = 5", "pass", 0],
    ["rows", "select * from {{ ref('m') }};\n", "fail", 4],
    ["rows, as a warning", "{{ config(severity='warn') }}select * from {{ ref('m') }}", "warn", 4],
    [
      "fewer rows than are allowed",
      "{{ config(error_if='> 4', warn_if='> 4') }}select * from {{ ref('m') }}",
      "pass",
      4,
    ],
    ["a comment at its end", "select * from {{ ref('m') }} -- that is all", "fail", 4],
    ["rows up to a limit", "{{ config(limit=2) }}select * from {{ ref('m') }} -- all", "fail", 2],
    ["10 million rows", "select i from range(10000000) as t(i)", "fail", 10_000_000],
    ["columns of one name", "select id, id from {{ ref('m') }} where id = 1", "fail", 1],
  ])("with %s gives %s", async (_, sql, status, failures) => {
    const result = await checkSql(sql);
    expect(result).toMatchObject({ status, failures, error: null });
    expect(result?.sample?.rows.length ?? 0).toBeLessThanOrEqual(10);
  });

  test("that is wrong points at its own line, whatever its severity", async () => {
    const result = await checkSql("{{ config(severity='warn') }}\nselect 'é',\n  nope\nfrom {{ ref('m') }}");
    expect(result).toMatchObject({
      status: "error",
      error: { code: "TEST_SQL", where: "tests/data/t.sql:3:3" },
    });
  });
});

test("tests cannot be run on what was never built, and say how to build it", async () => {
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": "select 1 as a",
      "models/s.yml": "sources: [{name: api, tables: [{name: t, columns: [{name: a, tests: [unique]}]}]}]",
      "models/m.yml": "models: [{name: m, columns: [{name: a, data_tests: [unique, not_null]}]}]",
    }),
  );
  const results = await warehouse.check();
  expect(results.map(({ status }) => status)).toEqual(["error", "error", "error"]);
  expect(results.map(({ error }) => error?.hint)).toEqual([
    "build it first: run models --select m",
    "build it first: run models --select m",
    "load it first: run ingest",
  ]);
});

test("tests of what failed before are skipped and say why", async () => {
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": "select nope",
      "models/n.sql": "select 1 as a",
      "models/y.yml":
        "models: [{name: m, columns: [{name: a, tests: [unique]}]}, {name: n, columns: [{name: a, tests: [unique, {relationships: {to: ref('m'), field: a}}]}]}]",
    }),
  );
  const results = (await warehouse.run()).filter(isTestResult);
  expect(
    Object.fromEntries(results.map(({ node, status, reason }) => [node.name, [status, reason]])),
  ).toEqual({
    unique_m_a: ["skipped", "m failed"],
    unique_n_a: ["pass", null],
    relationships_n_a__a__ref_m_: ["skipped", "m failed"],
  });
});

test("a test on an empty table holds", async () => {
  const warehouse = await openWarehouse(
    createProject({
      "models/m.sql": "select 1 as a where false",
      "models/m.yml":
        "models: [{name: m, columns: [{name: a, tests: [unique, not_null, {accepted_values: {values: [5]}}]}]}]",
    }),
  );
  await warehouse.build();
  expect((await warehouse.check()).map(({ status }) => status)).toEqual(["pass", "pass", "pass"]);
});
