import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\nmodels: {shop: {+materialized: table}}\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 1}\n",
  "models/a.sql": "select 1 as id",
  "models/b.sql": "select * from {{ ref('a') }}",
  "models/schema.yml": "models: [{name: a, columns: [{name: id, data_tests: [unique]}]}]\n",
};

/** The project after its first build. */
async function built(): Promise<{ cwd: string; write: (files: Record<string, string>) => void }> {
  const cwd = temporaryFolder();
  const write = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), content);
    }
  };
  write(FILES);
  expect((await run(["build"], { cwd })).exitCode).toBe(0);
  return { cwd, write };
}

async function reasons(cwd: string): Promise<Record<string, string | null>> {
  const { stdout } = await run(["models", "--json"], { cwd });
  const models = JSON.parse(stdout).models as { name: string; status: string; why: string | null }[];
  return Object.fromEntries(
    models.map(({ name, status, why }) => [name, status === "reused" ? status : why]),
  );
}

/** Statements that another process runs on the warehouse. */
function elsewhere(cwd: string, sql: string, mode = "READ_WRITE"): void {
  const api = join(ROOT, "node_modules/@duckdb/node-api/lib/index.js");
  const script = `const { DuckDBInstance } = require(${JSON.stringify(api)});
(async () => {
  const instance = await DuckDBInstance.create("data/w.duckdb", { access_mode: "${mode}" });
  await (await instance.connect()).run(${JSON.stringify(sql)});
})();`;
  const { status, stderr } = spawnSync(process.execPath, ["-e", script], { cwd, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
}

test("a build says what it reused and why something ran", async () => {
  const { cwd, write } = await built();
  const again = await run(["build"], { cwd });
  expect(again.stdout).toContain("Models: 0 models built, 2 reused");
  expect(again.stdout).toContain("1 passed (1 reused)");
  const results = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8")).results;
  expect(results.map(({ status, message }: Record<string, string>) => [status, message])).toEqual([
    ["success", "reused: unchanged"],
    ["success", "reused: unchanged"],
    ["pass", "reused: unchanged"],
  ]);
  write({ "models/a.sql": "select 2 as id" });
  const changed = await run(["build"], { cwd });
  expect(changed.stdout).toMatch(/main\.a .* ok: its SQL changed/);
  expect(changed.stdout).toMatch(/main\.b .* ok: a was rebuilt/);
  expect((await run(["build", "--no-reuse"], { cwd })).stdout).toContain("2 models built\n");
});

test("what another process writes is noticed, what it reads is not", async () => {
  const { cwd } = await built();
  elsewhere(cwd, "from a", "READ_ONLY");
  expect(await reasons(cwd)).toEqual({ a: "reused", b: "reused" });
  for (const sql of ["update b set id = 7", "alter table b add column x integer", "drop table b"]) {
    elsewhere(cwd, sql);
    const b = sql === "drop table b" ? "its table is missing" : OUTSIDE;
    expect(await reasons(cwd)).toEqual({ a: OUTSIDE, b });
    expect(await reasons(cwd)).toEqual({ a: "reused", b: "reused" });
  }
});

const OUTSIDE = "the warehouse was changed outside of this project";

test("nothing is reused of what a killed command left", async () => {
  const { cwd, write } = await built();
  write({
    "models/a.sql": "select 2 as id",
    "models/b.sql": "select count(*) as id from range(1000000000000), {{ ref('a') }}",
  });
  const killed = await run(["models"], {
    cwd,
    onStart: (child) =>
      child.stderr?.on("data", (text) => String(text).includes("built a") && child.kill("SIGKILL")),
  });
  expect(killed.exitCode).toBeNull();
  write(FILES);
  const cut = "the command before this one was cut short";
  expect(await reasons(cwd)).toEqual({ a: cut, b: cut });
  expect(await reasons(cwd)).toEqual({ a: "reused", b: "reused" });
  const { stdout } = await run(["show", "b", "--json"], { cwd });
  expect(JSON.parse(stdout).rows).toEqual([{ id: 1 }]);
});

test("an interrupted command leaves what it finished to be reused", async () => {
  const { cwd, write } = await built();
  write({
    "models/a.sql": "select 2 as id",
    "models/b.sql": "select count(*) as id from range(1000000000000), {{ ref('a') }}",
  });
  const stopped = await run(["models"], {
    cwd,
    onStart: (child) =>
      child.stderr?.on("data", (text) => String(text).includes("built a") && child.kill("SIGINT")),
  });
  expect(stopped.exitCode).toBe(130);
  write({ "models/b.sql": FILES["models/b.sql"] });
  expect(await reasons(cwd)).toMatchObject({
    a: "reused",
    b: expect.stringContaining("its last build failed"),
  });
});
