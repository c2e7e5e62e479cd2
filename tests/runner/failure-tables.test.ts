import { describe, expect, test } from "vitest";
import { firstColumn } from "../../engines/engine.ts";
import { createProject, mistakesIn, openWarehouse } from "./project.ts";

const ROWS = "{{ config(materialized='table') }}select * from (values (1), (null), (null)) as t(a)";

function projectWith(declared: string, more: Record<string, string> = {}) {
  return createProject({
    "models/m.sql": ROWS,
    "models/m.yml": `models: [{name: m, columns: [{name: a, data_tests: [${declared}]}]}]`,
    ...more,
  });
}

async function checked(project: ReturnType<typeof projectWith>, options: { storeFailures?: boolean } = {}) {
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const results = await warehouse.check(options);
  const relations = await warehouse.engine.relations();
  const stored = Object.fromEntries([...relations].filter(([name]) => !name.endsWith(".m")));
  return { warehouse, results, stored };
}

describe("failing rows", () => {
  test.each<[string, boolean, Record<string, string>]>([
    ["not_null", false, {}],
    ["not_null", true, { "dbt_test__audit.not_null_m_a": "table" }],
    ["{not_null: {store_failures: true}}", false, { "dbt_test__audit.not_null_m_a": "table" }],
    ["{not_null: {store_failures: false}}", true, {}],
    ["{not_null: {store_failures_as: view}}", false, { "dbt_test__audit.not_null_m_a": "view" }],
    ["{not_null: {store_failures_as: ephemeral, store_failures: true}}", true, {}],
    [
      "{not_null: {config: {store_failures_as: table, schema: odd, alias: nulls}}}",
      false,
      { "odd.nulls": "table" },
    ],
  ])("of %s, stored by default: %s", async (declared, storeFailures, expected) => {
    const { results, stored } = await checked(projectWith(declared), { storeFailures });
    expect(stored).toEqual(expected);
    const isStored = Object.keys(expected).length > 0;
    expect(results).toMatchObject([
      { status: "fail", failures: 2, isStored, sample: { rows: [[null], [null]] } },
    ]);
  });

  test("are all of them, up to the test's limit, and are replaced by the next run", async () => {
    const project = projectWith("{not_null: {limit: 1}}", {
      "tests/data/many.sql": "select i from range(5000) as t(i)",
    });
    const { warehouse } = await checked(project, { storeFailures: true });
    await warehouse.check({ storeFailures: true });
    const count = async (name: string) =>
      firstColumn(await warehouse.session.query(`select count(*) from dbt_test__audit.${name}`));
    expect([await count("not_null_m_a"), await count("many")]).toEqual([["1"], ["5000"]]);
  });

  test("of a test that passes are none", async () => {
    const { results, warehouse } = await checked(projectWith("unique"), { storeFailures: true });
    expect(results).toMatchObject([{ status: "pass", isStored: true, sample: null }]);
    const left = await warehouse.session.query("select * from dbt_test__audit.unique_m_a");
    expect(left).toMatchObject({ columns: ["a", "n_records"], rows: [] });
  });

  test("go below the target's schema where schemas are named dbt's way", () => {
    const project = projectWith("not_null", { "project.yml": "name: shop\n" });
    expect(project.test("not_null_m_a").relation).toEqual({
      schema: "main_dbt_test__audit",
      name: "not_null_m_a",
    });
  });

  test("of a test that cannot be run are not stored, and the place of the mistake stays", async () => {
    const project = projectWith("{unique: {fail_calc: sum(nope)}}", {
      "tests/data/wrong.sql": "select\n  nope\nfrom {{ ref('m') }}",
    });
    const { results } = await checked(project, { storeFailures: true });
    expect(results.map(({ status, isStored, error }) => [status, isStored, error?.where])).toEqual([
      ["error", false, expect.stringMatching(/^models\/m\.yml:1:\d+$/)],
      ["error", false, "tests/data/wrong.sql:2:3"],
    ]);
  });

  test("of two tests of one name are kept apart", async () => {
    const declared = "{not_null: {name: same}}, {unique: {name: same}}";
    const { stored } = await checked(projectWith(declared), { storeFailures: true });
    expect(Object.keys(stored)).toEqual([
      "dbt_test__audit.same",
      expect.stringMatching(/^dbt_test__audit\.same_[0-9a-f]{10}$/),
    ]);
  });
});

test.each([
  ["{not_null: {store_failures: true, schema: main, alias: M}}", 'over those of model "m"'],
  ["{not_null: {store_failures: true, alias: x}}, {unique: {alias: x}}", 'over those of test "not_null_m_a"'],
])("%s would overwrite what is not its own", (declared, message) => {
  const [mistake] = mistakesIn({
    "models/m.sql": ROWS,
    "models/m.yml": `models: [{name: m, columns: [{name: a, data_tests: [${declared}]}]}]`,
  });
  expect(mistake).toMatchObject({
    code: "TEST_RELATION_TAKEN",
    hint: "give the test another alias, schema or name",
  });
  expect(mistake?.message).toContain(message);
});

test("a wrong kind of storage is a mistake", () => {
  const [mistake] = mistakesIn({
    "models/m.sql": ROWS,
    "models/m.yml":
      "models: [{name: m, columns: [{name: a, data_tests: [{unique: {store_failures_as: file}}]}]}]",
  });
  expect(mistake).toMatchObject({ code: "CONFIG_INVALID" });
  expect(mistake?.message).toContain('config "store_failures_as" cannot be "file"');
});

test("after the first failure, fail-fast leaves out the tests that did not begin", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 9 }, (_, index) => [`tests/data/t${index}.sql`, "select * from {{ ref('m') }}"]),
  );
  const project = projectWith("{not_null: {severity: warn}}", files);
  const warehouse = await openWarehouse(project);
  await warehouse.build();
  const results = await warehouse.check({ failFast: true });
  const statuses = results.map(({ status }) => status);
  expect(statuses.slice(0, 2)).toEqual(["warn", "fail"]);
  expect(statuses.slice(4)).toEqual(Array(6).fill("skipped"));
  expect(results.at(-1)?.reason).toMatch(/^t\d failed \(--fail-fast\)$/);
});
