import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\n",
  "profiles.yml":
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 1}}}\n",
  "models/m.sql": "select * from (values (1), (null)) as t(a)",
  "models/m.yml": "models: [{name: m, columns: [{name: a, data_tests: [not_null, {positive: {least: 2}}]}]}]",
  "tests/generic/positive.sql":
    "{{ arguments(least=1) }}select * from {{ model }} where {{ column_name }} < {{ least }}",
  "tests/data/a.sql": "select * from {{ ref('m') }}",
  "tests/data/b.sql": "select * from {{ ref('m') }}",
  "tests/data/c.sql": "select * from {{ ref('m') }}",
};

async function builtProject(): Promise<string> {
  const cwd = temporaryFolder();
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(cwd, file)), { recursive: true });
    writeFileSync(join(cwd, file), text);
  }
  expect(await run(["models"], { cwd })).toMatchObject({ exitCode: 0 });
  return cwd;
}

test("--store-failures keeps the rows and says where; they can be shown", async () => {
  const cwd = await builtProject();
  const { exitCode, stdout } = await run(["test", "--store-failures"], { cwd });
  expect(exitCode).toBe(1);
  expect(stdout).toContain("stored in main_dbt_test__audit.positive_m_a__2\n");
  const sql = "select count(*) as n from main_dbt_test__audit.a";
  const shown = await run(["show", "--json", "--inline", sql], { cwd });
  expect(JSON.parse(shown.stdout).rows).toEqual([{ n: 2 }]);
  const again = await run(["test", "--json"], { cwd });
  const tests: { stored_in: string | null }[] = JSON.parse(again.stdout).tests;
  expect(tests.map(({ stored_in }) => stored_in)).toEqual([null, null, null, null, null]);
});

test("--fail-fast stops after the first failure and sums up the rest", async () => {
  const cwd = await builtProject();
  const { exitCode, stdout } = await run(["test", "-x"], { cwd });
  expect(exitCode).toBe(1);
  expect(stdout).toContain("skipped  4 tests: not_null_m_a failed (--fail-fast)\n");
  expect(stdout).toContain("tests: 0 passed, 0 warned, 1 failed, 4 skipped");
});
