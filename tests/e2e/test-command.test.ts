import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
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

test("the history shows the rows that broke a run's tests", async () => {
  const cwd = await builtProject();
  const { invocation_id } = JSON.parse((await run(["test", "--json"], { cwd })).stdout);
  const shown = await run(["history", invocation_id.slice(0, 8)], { cwd });
  expect(shown).toMatchObject({ exitCode: 0 });
  expect(shown.stdout).toContain("FAILED  not_null_m_a (1 row)");
  const { run: of, tests } = JSON.parse((await run(["history", invocation_id, "--json"], { cwd })).stdout);
  expect(of).toMatchObject({ id: invocation_id, command: "test", exit_code: 1 });
  expect(tests).toHaveLength(5);
  expect(tests[1]).toEqual({
    unique_id: expect.stringMatching(/^test\.shop\.positive_m_a__2\./),
    name: "positive_m_a__2",
    status: "fail",
    failures: 1,
    failing_rows: [{ a: 1 }],
  });
});

test("the history of a run that is not there is a mistake of the call", async () => {
  const cwd = await builtProject();
  expect(await run(["history", "zzz"], { cwd })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/no run begins with "zzz"[\s\S]*run history lists the ids/),
  });
  await run(["models"], { cwd });
  expect(await run(["history", ""], { cwd })).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/several runs begin with ""[\s\S]*give more of the id/),
  });
});

test("passed, failed, warned, skipped and could not run are told apart everywhere", async () => {
  const cwd = await builtProject();
  const declared = [
    "{not_null: {name: fails}}",
    "{not_null: {name: warns, severity: warn}}",
    "{unique: {name: passes}}",
    "{expression_is_true: {name: breaks, expression: '> nowhere', severity: warn}}",
  ].join(", ");
  writeFileSync(
    join(cwd, "models/m.yml"),
    `models: [{name: m, columns: [{name: a, data_tests: [${declared}]}]}]`,
  );
  const expected = { fails: "fail", warns: "warn", passes: "pass", breaks: "error" };
  const names = ["test", "--exclude", "test_type:singular"];
  const { exitCode, stdout } = await run([...names, "--json"], { cwd });
  const { summary, tests } = JSON.parse(stdout);
  expect(exitCode).toBe(1);
  expect(summary).toBe("tests: 1 passed, 1 warned, 1 failed, 1 could not run");
  const statuses = tests.map((of: { name: string; status: string }) => [of.name, of.status]);
  expect(Object.fromEntries(statuses)).toEqual(expected);
  const { results } = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));
  const written = results.map((of: { unique_id: string; status: string; failures: number | null }) => [
    of.unique_id.split(".")[2],
    [of.status, of.failures],
  ]);
  expect(Object.fromEntries(written)).toEqual({
    fails: ["fail", 1],
    warns: ["warn", 1],
    passes: ["pass", 0],
    breaks: ["error", null],
  });
  const exitOf = async (...chosen: string[]) =>
    (await run(["test", "--select", ...chosen], { cwd })).exitCode;
  expect([await exitOf("passes", "warns"), await exitOf("breaks"), await exitOf("fails")]).toEqual([0, 1, 1]);
});
