import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const PROJECT = {
  "project.yml":
    "name: shop\nschema_names: exact\npublish: {select: marts}\non-run-start: create table if not exists main.runs (target varchar)\non-run-end: [\"insert into main.runs values ('{{ target.name }}')\"]\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, schema: main, allowed_directories: [data]}\n",
  "models/marts/step.sql": "{{ config(materialized='ephemeral') }}select unnest(range(1000)) as id",
  "models/marts/facts.sql":
    "{{ config(materialized='incremental', unique_key='id') }}\nselect id, {{ var('version', 1) }} as version from {{ ref('step') }}\n{{#if (is_incremental)}}where id < 500{{/if}}\n",
};

function createProject(): { cwd: string; write: (files: Record<string, string>) => void } {
  const cwd = temporaryFolder();
  const write = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), content);
    }
  };
  write(PROJECT);
  return { cwd, write };
}

async function versions(cwd: string): Promise<unknown> {
  const sql = "select version, count(*) as n from {{ ref('facts') }} group by version order by version";
  const { stdout } = await run(["show", "--json", "--inline", sql], { cwd });
  return JSON.parse(stdout).rows;
}

const set = (version: number) => ["--vars", `{version: ${version}}`];

test("an incremental model adds to its table, and full refresh builds it anew", async () => {
  const { cwd } = createProject();
  expect(await run(["models"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/facts +incremental +1,000/),
  });
  expect((await run(["models", ...set(2)], { cwd })).stdout).toMatch(/facts +incremental +500/);
  expect(readFileSync(join(cwd, "target/compiled/shop/models/marts/facts.sql"), "utf8")).toContain(
    "where id < 500",
  );
  expect(await versions(cwd)).toEqual([
    { version: 1, n: 500 },
    { version: 2, n: 500 },
  ]);
  expect((await run(["pipeline", "-f", ...set(3)], { cwd })).stdout).toContain("published 1 table");
  expect(await versions(cwd)).toEqual([{ version: 3, n: 1000 }]);
  const { stdout } = await run(["show", "--json", "--inline", "select count(*) as n from main.runs"], {
    cwd,
  });
  expect(JSON.parse(stdout).rows).toEqual([{ n: 3 }]);
});

test("an ephemeral model has no rows of its own to show", async () => {
  const { cwd } = createProject();
  await run(["models"], { cwd });
  const shown = await run(["show", "step"], { cwd });
  expect(shown.exitCode).toBe(2);
  expect(shown.stderr).toContain("is ephemeral: there is no table of it to show");
  expect(shown.stderr).toContain(`to fix: run show --inline "select * from {{ ref('step') }}"`);
  const inline = await run(["show", "--json", "--inline", "select count(*) as n from {{ ref('step') }}"], {
    cwd,
  });
  expect(JSON.parse(inline.stdout).rows).toEqual([{ n: 1000 }]);
});

test("a run killed between delete and commit leaves the old rows, and the next needs no hand", async () => {
  const { cwd, write } = createProject();
  await run(["models"], { cwd });
  const stuck =
    'post_hook=["copy (select 1) to \'data/deleted.csv\'", "select count(*) from range(10000000) as a(x), range(1000000) as b(y) where x * y % 7 = 3"]';
  const facts = PROJECT["models/marts/facts.sql"];
  write({ "models/marts/facts.sql": facts.replace("unique_key='id'", `unique_key='id', ${stuck}`) });
  let kill = () => {};
  const ended = run(["models", ...set(2)], {
    cwd,
    onStart: (child) => (kill = () => void child.kill("SIGKILL")),
  });
  while (!existsSync(join(cwd, "data/deleted.csv"))) await delay(20);
  kill();
  await ended;
  write({ "models/marts/facts.sql": facts });
  expect(await versions(cwd)).toEqual([{ version: 1, n: 1000 }]);
  expect((await run(["models", ...set(2)], { cwd })).exitCode).toBe(0);
  expect(await versions(cwd)).toEqual([
    { version: 1, n: 500 },
    { version: 2, n: 500 },
  ]);
});

test("a failing on-run-start stops the command, a failing on-run-end makes it fail", async () => {
  const { cwd, write } = createProject();
  const settings = PROJECT["project.yml"].split("\n").slice(0, 3).join("\n");
  write({ "project.yml": `${settings}\non-run-start: select nope\n` });
  const start = await run(["models"], { cwd });
  expect(start.exitCode).toBe(1);
  expect(start.stderr).toContain("project.yml:4:15  on-run-start failed: Binder Error");
  write({ "project.yml": `${settings}\non-run-end: [select nope]\n` });
  expect((await run(["models"], { cwd })).exitCode).toBe(1);
  expect(await versions(cwd)).toEqual([{ version: 1, n: 1000 }]);
  expect(existsSync(join(cwd, "target/run_results.json"))).toBe(true);
  write({ "project.yml": `${settings}\non-run-end: ["{{ ref('nope') }}"]\n` });
  expect((await run(["models"], { cwd })).exitCode).toBe(2);
});

test.each(["dev", "Marts"])("a schema %s by the name of the database file is a mistake", async (schema) => {
  const { cwd, write } = createProject();
  const path = `data/${schema.toLowerCase()}.duckdb`;
  write({
    "profiles.yml": `shop: {target: t, outputs: {t: {type: duckdb, path: ${path}, schema: ${schema}}}}`,
  });
  const { exitCode, stderr } = await run(["build"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(
    `models/marts/facts.sql:1:1  the schema "${schema}" has the name of the database: "${schema}"."facts" could be either`,
  );
  expect(stderr).toContain("to fix: give the file of path: in profiles.yml another name, or the schema");
});

test("the default schema of a file by its name is none", async () => {
  const { cwd, write } = createProject();
  write({ "profiles.yml": "shop: {target: t, outputs: {t: {type: duckdb, path: main.duckdb}}}" });
  expect((await run(["build"], { cwd })).exitCode).toBe(0);
  expect(await versions(cwd)).toEqual([{ version: 1, n: 1000 }]);
});

test("on-run-start finds the schemas of what is selected, on an empty warehouse too", async () => {
  const { cwd, write } = createProject();
  write({
    "project.yml":
      "name: shop\non-run-start: create table if not exists {{ target.schema }}_logs.runs (id int)\n",
    "models/marts/facts.sql": "{{ config(schema='logs') }}select count(*) as n from main_logs.runs",
  });
  expect((await run(["models", "--select", "facts"], { cwd })).exitCode).toBe(0);
  expect((await run(["test", "--allow-empty-selection"], { cwd })).exitCode).toBe(0);
});

test.each([
  [["--event-time-start", "2026-01-01"]],
  [["--event-time-start", "2026-02-01", "--event-time-end", "2026-01-01"]],
  [["--event-time-start", "2026-01-01", "--event-time-end", "soon"]],
])("a range of event time that is none is a wrong call: %j", async (options) => {
  const { cwd } = createProject();
  const { exitCode, stderr } = await run(["models", ...options], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`${options.join(" ")}  the range of event time is not one`);
  expect(stderr).toContain("to fix: --event-time-start 2026-01-01 --event-time-end 2026-02-01");
});
