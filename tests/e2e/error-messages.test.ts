import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, run } from "./cli.ts";

interface Call {
  args: string[];
  files?: Record<string, string>;
  env?: Record<string, string>;
  exitCode: number;
  message: string;
  hint: string;
}

async function errorsOf(cwd: string, { args, env = {} }: Pick<Call, "args" | "env">) {
  const { exitCode, stdout } = await run([...args, "--json"], { cwd, env });
  const { errors = [], streams = [] } = JSON.parse(stdout) as {
    errors?: { code: string }[];
    streams?: { error: { code: string } | null }[];
  };
  return { exitCode, errors: [...errors, ...streams.flatMap(({ error }) => error ?? [])] };
}

const SOURCE = "ingest/sources/moovitamix.ts";

test.each<[string, Call]>([
  [
    "WAREHOUSE_MISSING",
    { args: ["show", "dim_users"], exitCode: 1, message: "there is no warehouse yet", hint: "run pipeline" },
  ],
  [
    "SHOW_USAGE",
    {
      args: ["show"],
      exitCode: 2,
      message: "name a model, seed, snapshot or source, or give --inline SQL",
      hint: "run show fct_listens",
    },
  ],
  [
    "SELECTOR_INVALID",
    {
      args: ["ls", "--selector", "a"],
      files: {
        "selectors.yml": "selectors:\n  - name: a\n    definition: {union: [x], intersection: [y]}\n",
      },
      exitCode: 2,
      message: "a definition has one key",
      hint: "{tag: nightly}",
    },
  ],
  [
    "API_UNREACHABLE",
    {
      args: ["ingest", "users"],
      env: { MOOVITAMIX_URL: "http://127.0.0.1:9" },
      exitCode: 1,
      message: "the connection was refused",
      hint: "start the service",
    },
  ],
])("%s says what is wrong and what to do", async (code, { files = {}, exitCode, message, hint, ...call }) => {
  const cwd = copyProject();
  for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text);
  const answer = await errorsOf(cwd, call);
  expect(answer.exitCode).toBe(exitCode);
  expect(answer.errors.find((error) => error.code === code)).toMatchObject({
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
});

test("SOURCES_MISSING shows what a source is", async () => {
  const cwd = copyProject();
  rmSync(join(cwd, "ingest"), { recursive: true });
  expect(await errorsOf(cwd, { args: ["ingest"] })).toMatchObject({
    exitCode: 2,
    errors: [
      {
        code: "SOURCES_MISSING",
        message: "this project has no sources",
        hint: expect.stringContaining("from-dlt.md"),
      },
    ],
  });
});

test("BASE_URL_MISSING names the variable", async () => {
  const cwd = copyProject();
  const text = readFileSync(join(cwd, SOURCE), "utf8");
  writeFileSync(join(cwd, SOURCE), text.replace(/,?\s*default: "[^"]*"/, ""));
  expect(await errorsOf(cwd, { args: ["ingest"] })).toMatchObject({
    exitCode: 2,
    errors: [
      {
        code: "BASE_URL_MISSING",
        message: "MOOVITAMIX_URL holds no address",
        hint: expect.stringMatching(/./),
      },
    ],
  });
});

test("what the engine refuses to show, export or store is told with its place", async () => {
  const cwd = copyProject();
  const api = await startApi({ users: 20, tracks: 20, plays: 50 });
  onTestFinished(() => api.stop());
  const env = { MOOVITAMIX_URL: api.url };
  await run(["pipeline"], { cwd, env });
  const shown = await errorsOf(cwd, { args: ["show", "--inline", "select\n nope"] });
  expect(shown).toMatchObject({
    exitCode: 1,
    errors: [
      {
        code: "SHOW_SQL",
        where: "--inline:2:2",
        message: expect.stringContaining('"nope"'),
        hint: expect.stringContaining("correct the SQL"),
      },
    ],
  });
  const instance = await DuckDBInstance.create(join(cwd, "data/warehouse.duckdb"));
  const connection = await instance.connect();
  await connection.run(
    "create or replace view marts.broken as select cast(user_id as date) as d from staging.stg_users",
  );
  await connection.run("drop table marts.dim_users");
  await connection.run("alter view marts.broken rename to dim_users");
  await connection.run("alter table raw_moovitamix.listen_history rename to kept");
  await connection.run("create view raw_moovitamix.listen_history as select * from raw_moovitamix.kept");
  connection.closeSync();
  instance.closeSync();
  const exported = await errorsOf(cwd, { args: ["export", "dim_users", "--output", "x.csv"] });
  expect(exported).toMatchObject({
    exitCode: 1,
    errors: [{ code: "EXPORT_SQL", hint: expect.stringMatching(/./) }],
  });
  api.growBy(3);
  const loaded = await errorsOf(cwd, { args: ["ingest", "listen_history"], env });
  expect(loaded.errors[0]).toMatchObject({
    code: "LOAD_FAILED",
    message: expect.stringContaining("the engine could not store the records"),
    hint: expect.stringContaining("nothing of this stream was changed"),
  });
});
