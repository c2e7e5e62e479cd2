import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { copyProject, run, temporaryFolder } from "./cli.ts";

const YAML = `
models: [{name: m, columns: [{name: id, data_tests: [not_null]}]}]
unit_tests:
  - {name: good, model: m, given: [{input: ref('p'), rows: [{id: 1}]}], expect: {rows: [{id: 2}]}}
  - {name: bad, model: m, description: Ids grow., given: [{input: ref('p'), rows: [{id: 1}]}], expect: {rows: [{id: 3}]}}
`;
const FILES = {
  "project.yml": "name: shop\n",
  "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, threads: 2}}}\n",
  "models/p.sql": "select 1 as id",
  "models/m.sql": "select id + 1 as id from {{ ref('p') }}",
  "models/m.yml": YAML,
};

function shop(files: Record<string, string> = FILES): string {
  const cwd = temporaryFolder();
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(cwd, file)), { recursive: true });
    writeFileSync(join(cwd, file), text);
  }
  return cwd;
}

test("unit tests alone need no warehouse and make none; one that fails is exit 1", async () => {
  const cwd = shop();
  const { exitCode, stdout } = await run(["test", "--select", "test_type:unit"], { cwd });
  expect(exitCode).toBe(1);
  expect(stdout).toBe(
    "FAILED  m.bad\n  Ids grow.\n            id\n  changed   3 → 2\n  0 rows are as expected\n\nunit tests: 1 passed, 1 failed\n",
  );
  expect(existsSync(join(cwd, "data/w.duckdb"))).toBe(false);
  const { results } = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));
  expect(results.map(({ status }: { status: string }) => status)).toEqual(["pass", "fail"]);
  const coloured = await run(["test", "--select", "unit_test:bad"], { cwd, env: { FORCE_COLOR: "1" } });
  expect(coloured.stdout).toContain("\u001b[31m3\u001b[39m → \u001b[32m2\u001b[39m");
});

test("run test runs the unit tests of the chosen models and then their data tests", async () => {
  const cwd = shop();
  expect(await run(["models"], { cwd })).toMatchObject({ exitCode: 0 });
  const all = await run(["test", "--select", "m"], { cwd });
  expect(all).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(/unit tests: 1 passed, 1 failed; tests: 1 passed, 0 warned, 0 failed\n$/),
  });
  const stopped = await run(["test", "--fail-fast", "--select", "m"], { cwd });
  expect(stopped).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(
      /unit tests: 1 passed, 1 failed; tests: 0 passed, 0 warned, 0 failed, 1 skipped\n$/,
    ),
  });
  const { stdout } = await run(["test", "--json", "--exclude", "unit_test:good"], { cwd });
  expect(JSON.parse(stdout).unit_tests).toMatchObject([
    {
      unique_id: "unit_test.shop.m.bad",
      model: "model.shop.m",
      status: "fail",
      difference: {
        columns: ["id"],
        rows_as_expected: 0,
        rows: [{ kind: "changed", values: { id: 2 }, expected: { id: 3 } }],
      },
    },
  ]);
  const listed = await run(["ls", "--select", "m", "--resource-type", "unit_test"], { cwd });
  expect(listed.stdout).toBe("unit_test:shop.bad\nunit_test:shop.good\n");
});

test("a mistake in a unit test is exit 2 and names its place", async () => {
  const cwd = shop({
    ...FILES,
    "models/m.yml": YAML.replace("model: m, given: [{input: ref('p')", "model: m, given: [{input: ref('q')"),
  });
  const { exitCode, stderr } = await run(["test"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('models/m.yml:4:44  unknown model "q" in ref()');
});

test("this project's own unit tests pass on an empty checkout", async () => {
  const cwd = copyProject();
  expect(await run(["test", "--select", "resource_type:unit_test"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: "unit tests: 8 passed, 0 failed\n",
  });
});
