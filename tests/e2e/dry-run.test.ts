import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml":
    "name: shop\nschema_names: exact\non-run-start: create or replace table main.hooked (a int)\n",
  "profiles.yml":
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 1}}}\n",
  "seeds/people.csv": "id,name\n1,Ada\n2,Grace\n",
  "models/names.sql": "select id, name from {{ ref('people') }}\n",
  "models/big.sql":
    "{{ config(materialized='table', pre_hook='create table main.hooked (a int)') }}\nselect range as id, 1 / 0 as x from range(100000000000)\n",
  "models/facts.sql":
    "{{ config(materialized='incremental', unique_key='id', on_schema_change='sync_all_columns') }}\nselect id, name from {{ ref('names') }}\n",
  "models/models.yml":
    "models: [{name: names, columns: [{name: id, data_tests: [unique, {column_type: {column_type: integer}}]}]}]\n",
  "snapshots/kept.yml":
    "snapshots: [{name: kept, relation: ref('names'), config: {strategy: check, check_cols: all, unique_key: id}}]\n",
};

function createProject(changed: Record<string, string> = {}) {
  const cwd = temporaryFolder();
  const write = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), content);
    }
  };
  write({ ...FILES, ...changed });
  return { cwd, write };
}

/** Every file of the project and what is in it. */
function contentsOf(cwd: string): Record<string, string> {
  const files = readdirSync(cwd, { recursive: true, withFileTypes: true }).filter(
    (file) => file.isFile() && !file.parentPath.endsWith("target/cache"),
  );
  const hash = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
  return Object.fromEntries(
    files.map(({ parentPath, name }) => [join(parentPath, name), hash(join(parentPath, name))]),
  );
}

interface Planned {
  name: string;
  action: string | null;
  present: string | null;
  rows: number | null;
  batches: number | null;
  built_first: boolean;
  columns: Record<string, { name: string }[]> | null;
  error: { code: string } | null;
}

async function plan(cwd: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = await run([...args, "--dry-run", "--json"], { cwd });
  const nodes: Planned[] = JSON.parse(stdout).nodes;
  const actions = Object.fromEntries(nodes.map(({ name, action }) => [name, action]));
  return { exitCode, stderr, nodes, actions, of: (name: string) => nodes.find((one) => one.name === name) };
}

/** Builds what the tests begin with; the model without an end is not among it. */
async function build(cwd: string): Promise<void> {
  expect(await run(["models", "--exclude", "big"], { cwd })).toMatchObject({ exitCode: 0 });
}

test("--dry-run of a new project creates all of it in an empty copy, and leaves no file", async () => {
  const { cwd } = createProject();
  const before = contentsOf(cwd);
  const { exitCode, nodes, of } = await plan(cwd, "models", "--select", "facts", "big");
  expect(exitCode).toBe(0);
  expect(nodes.map(({ name, action }) => `${action} ${name}`).sort()).toEqual([
    "create big",
    "create facts",
    "create names",
    "create people",
  ]);
  expect(of("people")).toMatchObject({ rows: 2, built_first: true, present: null });
  expect(of("names")).toMatchObject({ built_first: true, columns: null });
  expect(contentsOf(cwd)).toEqual(before);
});

test("--dry-run says what becomes of what is there, and changes nothing of it", async () => {
  const { cwd, write } = createProject();
  await build(cwd);
  write({
    "models/names.sql":
      "{{ config(materialized='table') }}\nselect name, 2 as two from {{ ref('people') }}\n",
    "models/facts.sql": FILES["models/facts.sql"].replace("id, name", "cast(1 as bigint) as id, name, two"),
    "models/models.yml": "models: []\n",
  });
  const before = contentsOf(cwd);
  const { exitCode, of } = await plan(cwd, "models", "--exclude", "big");
  expect(exitCode).toBe(0);
  expect(of("names")).toMatchObject({
    action: "replace",
    present: "view",
    columns: { added: [{ name: "two", type: "INTEGER" }], dropped: [{ name: "id" }], retyped: [] },
  });
  expect(of("facts")).toMatchObject({
    action: "delete+insert",
    columns: { added: [{ name: "two" }], dropped: [], retyped: [{ name: "id", from: "INTEGER" }] },
  });
  const { stdout } = await run(["models", "--dry-run", "--exclude", "big"], { cwd });
  expect(stdout).toMatch(
    /main\.names +table +replace +it is a view now; \+ two INTEGER; - id; its SQL changed/,
  );
  expect(stdout).toContain("dry run: would run 2 models; nothing was changed");
  expect(contentsOf(cwd)).toEqual(before);
  expect((await plan(cwd, "models", "-f", "--exclude", "big")).of("facts")?.action).toBe("full_refresh");
});

test("--dry-run knows how incremental models change their tables", async () => {
  const model = (config: string) => `{{ config(materialized='incremental', ${config}) }}\nselect 1 as id`;
  const batched =
    "incremental_strategy='microbatch', event_time='seen', batch_size='month', begin='2020-01-01'";
  const { cwd, write } = createProject({
    "models/added.sql": model("incremental_strategy='append'"),
    "models/merged.sql": model("incremental_strategy='merge', unique_key='id'"),
    "models/anew.sql": model("on_schema_change='full_refresh'"),
    "models/strict.sql": model("on_schema_change='fail'"),
    "models/batched.sql": `${model(batched)}, timestamp '2020-01-01' as seen`,
  });
  const created = await plan(cwd, "models", "--select", "batched", "added");
  expect(created.actions).toEqual({ batched: "create", added: "create" });
  expect(created.of("batched")?.batches).toBeGreaterThan(12);
  await build(cwd);
  write({
    "models/anew.sql": `${model("on_schema_change='full_refresh'")}, 2 as more`,
    "models/strict.sql": `${model("on_schema_change='fail'")}, 2 as more`,
  });
  const { exitCode, stderr, actions, of } = await plan(cwd, "models", "--exclude", "big");
  expect(actions).toMatchObject({ added: "append", merged: "merge", anew: "full_refresh", strict: null });
  expect(of("batched")).toMatchObject({ action: "microbatch", batches: 2 });
  expect(of("strict")).toMatchObject({ error: { code: "INCREMENTAL_COLUMNS" } });
  expect(exitCode).toBe(2);
  expect(stderr).toContain(`models/strict.sql:1:1  the columns of "strict" are not those of its table`);
});

test("--dry-run is exit 2 when something does not bind, at the author's line", async () => {
  const { cwd, write } = createProject();
  await build(cwd);
  write({
    "models/names.sql": "select id,\n  nope\nfrom {{ ref('people') }}\n",
    "seeds/people.csv": "id,name\n1,Ada\n",
  });
  const before = contentsOf(cwd);
  const { exitCode, stderr, of } = await plan(cwd, "models", "--exclude", "big");
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^models\/names\.sql:2:3 {2}Binder Error: Referenced column "nope" not found/m);
  expect(of("names")).toMatchObject({ action: null, error: { code: "MODEL_SQL" } });
  expect(of("facts")).toMatchObject({ action: null, error: null, reason: "names failed" });
  expect(contentsOf(cwd)).toEqual(before);
});

test("--dry-run binds tests, and says which of them cannot run", async () => {
  const { cwd, write } = createProject();
  const never = await plan(cwd, "test");
  expect(never.exitCode).toBe(2);
  expect(never.stderr).toContain("models/names.sql:1:1  main.names does not exist");
  await build(cwd);
  expect((await plan(cwd, "test")).actions).toMatchObject({ unique_names_id: "test" });
  write({ "tests/data/wrong.sql": "select * from {{ ref('names') }}\nwhere nope" });
  const wrong = await plan(cwd, "test");
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain("tests/data/wrong.sql:2:7  Binder Error");
  expect(wrong.of("wrong")).toMatchObject({ action: null, error: { code: "TEST_SQL" } });
  const { stdout } = await run(["test", "--dry-run"], { cwd });
  expect(stdout).toContain("dry run: would run 2 tests, 1 would fail; nothing was changed");
});

test("--dry-run of seeds, snapshots and a pipeline says what they would do", async () => {
  const { cwd, write } = createProject({
    "project.yml": `${FILES["project.yml"]}publish: {select: names}\n`,
    "ingest/sources/radio.ts":
      'import { defineSource } from "sillon";\nimport { z } from "zod";\nexport const source = defineSource({ name: "radio", baseUrl: { env: "RADIO_URL", default: "http://127.0.0.1:9" }, streams: [{ name: "stations", path: "/s", key: ["id"], updatedAt: "updated_at", record: z.object({ id: z.number(), updated_at: z.string() }) }] });\n',
    "models/sources.yml":
      "sources: [{name: radio, schema: raw_radio, tables: [{name: stations, identifier: stations_latest}]}]\n",
    "models/heard.sql": "select record from {{ source('radio', 'stations') }}\n",
  });
  const pipeline = await plan(cwd, "pipeline");
  expect(pipeline.stderr).toBe("");
  expect(pipeline.exitCode).toBe(0);
  expect(pipeline.actions).toMatchObject({ people: "create", heard: "create", unique_names_id: "test" });
  expect(existsSync(join(cwd, "data"))).toBe(false);
  const whole = ["models", "--select", "names"];
  expect(await run(whole, { cwd })).toMatchObject({ exitCode: 0 });
  expect((await plan(cwd, "build", "--exclude", "big", "kept")).actions).toMatchObject({ names: "reuse" });
  expect((await plan(cwd, "seed")).of("people")).toMatchObject({ action: "reuse", rows: null });
  expect((await plan(cwd, "snapshot")).actions).toEqual({ kept: "create" });
  await run(["snapshot"], { cwd });
  write({ "models/names.sql": "select id, name, 1 as more from {{ ref('people') }}\n" });
  await run(whole, { cwd });
  expect((await plan(cwd, "snapshot")).of("kept")).toMatchObject({
    action: "add_versions",
    columns: { added: [{ name: "more", type: "INTEGER" }] },
  });
});

test("--dry-run of a build goes through models and snapshots in their order, and counts unit tests", async () => {
  const { cwd } = createProject({
    "models/later.sql": "select * from {{ ref('kept') }} where dbt_valid_to is null\n",
    "models/units.yml":
      "unit_tests: [{name: same, model: names, given: [{input: ref('people'), rows: [{id: 1}]}], expect: {rows: [{id: 1}]}}]\n",
    "tests/data/lasting.sql": "select * from {{ ref('later') }} where id is null",
  });
  const { exitCode, actions } = await plan(cwd, "build", "--exclude", "big");
  expect(exitCode).toBe(0);
  expect(actions).toMatchObject({ same: "test", kept: "create", later: "create", lasting: "test" });
  const { stdout } = await run(["build", "--dry-run", "--exclude", "big"], { cwd });
  expect(stdout).toContain(
    "would run 1 unit test, 1 seed, 1 snapshot, 3 models, 3 tests; nothing was changed",
  );
  expect(existsSync(join(cwd, "data"))).toBe(false);
});

test("--dry-run says what would be reused, and why something would run", async () => {
  const { cwd, write } = createProject();
  const whole = ["build", "--exclude", "big"];
  const hookless = FILES["project.yml"].replace(/on-run-start.*\n/, "");
  write({
    "project.yml": hookless,
    "models/shown.sql": "{{ config(materialized='table') }} select id from {{ ref('names') }}",
  });
  expect(await run(whole, { cwd })).toMatchObject({ exitCode: 0 });
  const same = await plan(cwd, ...whole);
  expect(same.actions).toMatchObject({ people: "reuse", shown: "reuse", unique_names_id: "reuse" });
  const before = contentsOf(cwd);
  write({ "seeds/people.csv": "id,name\n1,Ada\n" });
  const { stdout } = await run([...whole, "--dry-run"], { cwd });
  expect(stdout).toMatch(/main\.people +seed +replace +1 row; its file changed\n/);
  expect(stdout).toMatch(/main\.shown +table +replace +names changed\n/);
  const forced = await plan(cwd, ...whole, "--no-reuse");
  expect(forced.actions).toMatchObject({ people: "replace", shown: "replace", unique_names_id: "test" });
  write({ "seeds/people.csv": FILES["seeds/people.csv"] });
  expect(contentsOf(cwd)).toEqual(before);
});

test("--dry-run waits for whoever holds the warehouse, or says who it is", async () => {
  const { cwd } = createProject();
  await build(cwd);
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const holder = await DuckDBInstance.create(join(cwd, "data/w.duckdb"));
  const args = ["models", "--dry-run", "--select", "names"];
  const refused = await run([...args, "--no-wait"], { cwd });
  expect(refused.exitCode).toBe(3);
  expect(refused.stderr).toContain("the warehouse is held by another process");
  const waited = await run(args, {
    cwd,
    onStart: (child) =>
      child.stderr?.on("data", (text: Buffer) => {
        if (text.toString().includes("waiting for the warehouse")) holder.closeSync();
      }),
  });
  expect(waited).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("reuse 1 node") });
});
