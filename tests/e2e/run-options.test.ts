import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\nschema_names: exact\n",
  "profiles.yml":
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 1}}}\n",
  "seeds/people.csv": "id,name\n1,Ada\n2,Grace\n",
  "models/adults.sql":
    "{{ config(materialized='table') }}\nselect id, name, current_date as day from {{ ref('people') }}\n",
  "models/models.yml":
    "models: [{name: adults, data_tests: [{row_count_between: {min_value: 5, config: {severity: warn}}}]}]\n",
  "snapshots/kept.yml":
    "snapshots: [{name: kept, relation: ref('people'), config: {strategy: check, check_cols: all, unique_key: id, hard_deletes: new_record}}]\n",
};

function createProject(changed: Record<string, string> = {}): string {
  const cwd = temporaryFolder();
  for (const [name, content] of Object.entries({ ...FILES, ...changed })) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), content);
  }
  return cwd;
}

async function rowsOf(cwd: string, sql: string): Promise<unknown> {
  const { stdout } = await run(["show", "--json", "--inline", sql], { cwd });
  return JSON.parse(stdout).rows;
}

interface LogLine {
  info: { name: string; level: string; msg: string; ts: string; invocation_id: string };
  data: Record<string, unknown>;
}

function linesOf(stderr: string): LogLine[] {
  return stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

test("--log-format json tells the story in dbt's shape, one object a line", async () => {
  const cwd = createProject();
  const { exitCode, stdout, stderr } = await run(["models", "--log-format", "json", "--json"], { cwd });
  expect(exitCode).toBe(0);
  const lines = linesOf(stderr);
  expect(lines.map(({ info }) => info.name)).toEqual(["seeds_added", "seed_loaded", "model_built"]);
  const [built] = lines.slice(-1);
  expect(built).toMatchObject({
    info: { level: "info", msg: "built adults", invocation_id: JSON.parse(stdout).invocation_id },
    data: { model: "adults", status: "success", rows: 2 },
  });
  expect(new Date(built?.info.ts ?? "").toISOString()).toBe(built?.info.ts);
});

test("--log-format json tells mistakes and failures too, with their parts", async () => {
  const cwd = createProject({ "models/bad.sql": "select nope from {{ ref('people') }}" });
  const failed = await run(["models", "--log-format", "json", "--quiet"], { cwd });
  expect(failed.exitCode).toBe(1);
  expect(linesOf(failed.stderr)).toMatchObject([
    { info: { name: "model_failed", level: "error" }, data: { model: "bad" } },
  ]);
  writeFileSync(join(cwd, "models/bad.sql"), "select * from {{ ref('peple') }}");
  const wrong = await run(["models", "--log-format", "json"], { cwd });
  expect(wrong.exitCode).toBe(2);
  expect(linesOf(wrong.stderr)).toMatchObject([
    { info: { name: "REF_UNKNOWN" }, data: { code: "REF_UNKNOWN", where: "models/bad.sql:1:18" } },
  ]);
});

test("--log-format takes text and json only", async () => {
  const { exitCode, stderr } = await run(["models", "--log-format", "xml"], { cwd: createProject() });
  expect(exitCode).toBe(2);
  expect(stderr).toContain("Allowed choices are text, json.");
});

test("--warn-error makes a test that warns fail", async () => {
  const cwd = createProject();
  await run(["models"], { cwd });
  expect(await run(["test"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining("1 warned, 0 failed"),
  });
  const strict = await run(["test", "--warn-error"], { cwd });
  expect(strict.exitCode).toBe(1);
  expect(strict.stdout).toContain("0 warned, 1 failed");
  const lenient = ["--warn-error-options", "{error: all, warn: [test_warned]}"];
  expect((await run(["test", ...lenient], { cwd })).exitCode).toBe(0);
});

test("--warn-error runs nothing when the project's files give a warning", async () => {
  const cwd = createProject({
    "project.yml": `${FILES["project.yml"]}models: {marts: {+materialized: table}}\n`,
  });
  for (const command of ["models", "test", "seed"]) {
    const { exitCode, stderr } = await run([command, "--warn-error"], { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nothing was run: warnings are errors here (config_unused)");
    expect(stderr).not.toContain("warning:");
  }
  expect(existsSync(join(cwd, "data/w.duckdb"))).toBe(false);
  expect(await run(["compile", "--warn-error"], { cwd })).toMatchObject({ exitCode: 1 });
  expect(await run(["models"], { cwd })).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining("warning: "),
  });
});

test("--warn-error-options is read before anything is run, and stands alone", async () => {
  const cwd = createProject();
  const wrong = await run(["models", "--warn-error-options", "{error: [test_warnd]}"], { cwd });
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("nearest names: test_warned");
  const both = await run(["models", "--warn-error", "--warn-error-options", "{error: all}"], { cwd });
  expect(both.exitCode).toBe(2);
  expect(both.stderr).toContain("cannot be used with");
});

test("--empty builds models with their columns and no rows, from seeds that are whole", async () => {
  const cwd = createProject({
    "models/step.sql": "{{ config(materialized='ephemeral') }}select * from {{ ref('people') }}",
    "models/later.sql": "{{ config(materialized='incremental') }}select * from {{ ref('step') }}",
  });
  expect(await run(["models", "--empty"], { cwd })).toMatchObject({ exitCode: 0 });
  const count = (name: string) => `(select count(*) from {{ ref('${name}') }}) as ${name}`;
  const counts = `select ${["people", "adults", "later"].map(count).join(", ")}`;
  expect(await rowsOf(cwd, counts)).toEqual([{ people: 2, adults: 0, later: 0 }]);
  const described = await rowsOf(cwd, "select column_name as name from (describe {{ ref('adults') }})");
  expect(described).toEqual([{ name: "id" }, { name: "name" }, { name: "day" }]);
  await run(["models"], { cwd });
  expect(await rowsOf(cwd, counts)).toEqual([{ people: 2, adults: 2, later: 2 }]);
  await run(["models", "--empty", "--select", "later"], { cwd });
  expect(await rowsOf(cwd, counts)).toEqual([{ people: 2, adults: 2, later: 2 }]);
});

test("--empty keeps columns that are named with their table, and aliases", async () => {
  const cwd = createProject({
    "models/joined.sql":
      "select people.id, other.name\nfrom {{ ref('people') }} -- all of them\njoin {{ ref('people') }} other on other.id = people.id\nwhere people.nope = 1\n",
  });
  const wrong = await run(["models", "--empty", "--select", "joined"], { cwd });
  expect(wrong.stderr).toContain("models/joined.sql:4:7  Binder Error");
  writeFileSync(
    join(cwd, "models/joined.sql"),
    "select people.id, o.name from {{ ref('people') }} left join {{ ref('people') }} as o on o.id = people.id",
  );
  expect(await run(["models", "--empty", "--select", "joined"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await rowsOf(cwd, "select count(*) as n from {{ ref('joined') }}")).toEqual([{ n: 0 }]);
});

test("build --empty builds all of it without rows, and its unit tests have theirs", async () => {
  const cwd = createProject({
    "models/units.yml":
      "unit_tests: [{name: names, model: adults, given: [{input: ref('people'), rows: [{id: 1, name: Ada}]}], expect: {rows: [{name: Ada}]}}]\n",
  });
  const { exitCode, stdout } = await run(["build", "--empty", "--json"], { cwd });
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    unit_tests: [{ status: "pass" }],
    seeds: [{ rows: 0 }],
    snapshots: [{ rows: 0 }],
    models: [{ rows: 0 }],
  });
});

test("retry keeps to --empty and --warn-error of the run that it repeats", async () => {
  const cwd = createProject({ "models/bad.sql": "select nope, id from {{ ref('people') }}" });
  expect(await run(["models", "--empty"], { cwd })).toMatchObject({ exitCode: 1 });
  writeFileSync(
    join(cwd, "models/bad.sql"),
    "{{ config(materialized='table') }}select id from {{ ref('people') }}",
  );
  expect(await run(["retry"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await rowsOf(cwd, "select count(*) as n from {{ ref('bad') }}")).toEqual([{ n: 0 }]);
  expect((await run(["test", "--warn-error"], { cwd })).exitCode).toBe(1);
  const strict = await run(["retry"], { cwd });
  expect(strict.exitCode).toBe(1);
  expect(strict.stdout).toContain("0 warned, 1 failed");
  const own = await run(["retry", "--warn-error-options", "{warn: [test_warned]}"], { cwd });
  expect(own).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("1 warned, 0 failed") });
});

test("--empty loads the columns of seeds, with the types that their values give", async () => {
  const cwd = createProject();
  expect(await run(["seed", "--empty"], { cwd })).toMatchObject({ exitCode: 0 });
  const types = "select column_type as type from (describe {{ ref('people') }})";
  expect(await rowsOf(cwd, types)).toEqual([{ type: "INTEGER" }, { type: "VARCHAR" }]);
  expect(await rowsOf(cwd, "select count(*) as n from {{ ref('people') }}")).toEqual([{ n: 0 }]);
});

test("--empty leaves the versions of a snapshot as they are", async () => {
  const cwd = createProject();
  await run(["seed"], { cwd });
  await run(["snapshot"], { cwd });
  expect(await run(["snapshot", "--empty"], { cwd })).toMatchObject({ exitCode: 0 });
  const current = "select count(*) as n from {{ ref('kept') }} where dbt_valid_to is null";
  expect(await rowsOf(cwd, current)).toEqual([{ n: 2 }]);
});
