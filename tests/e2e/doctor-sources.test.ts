import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const HEAD =
  'import { defineSource } from "sillon";\nimport { z } from "zod";\nconst record = z.looseObject({});\n';

test("doctor reaches databases and files, and says what to do about those that it does not reach", async () => {
  const cwd = temporaryFolder();
  const write = (name: string, text: string) => {
    mkdirSync(join(cwd, name, ".."), { recursive: true });
    writeFileSync(join(cwd, name), text);
  };
  write("project.yml", "name: inbox\n");
  write(
    "profiles.yml",
    "inbox:\n  target: dev\n  outputs:\n    dev: { type: duckdb, path: data/w.duckdb }\n",
  );
  const sources = {
    a_files: 'type: "files", streams: [{ name: "x", path: "in/*.ndjson", key: ["id"], record }]',
    b_lite:
      'type: "sqlite", connection: { env: "B", default: "b.db" }, streams: [{ name: "x", table: "t", key: ["id"], record }]',
    c_gone:
      'type: "postgres", connection: { env: "C", default: "postgres://me:secret-word@127.0.0.1:1/c" }, streams: [{ name: "x", table: "t", key: ["id"], record }]',
  };
  for (const [name, text] of Object.entries(sources))
    write(
      `ingest/sources/${name}.ts`,
      `${HEAD}export const source = defineSource({ name: "${name}", ${text} });\n`,
    );
  write("in/a.ndjson", '{"id":1}\n');
  const database = new Sqlite(join(cwd, "b.db"));
  database.exec("create table t (id)");
  database.close();
  const { stdout, exitCode } = await run(["doctor", "--json"], { cwd });
  expect(exitCode).toBe(1);
  const { checks } = JSON.parse(stdout) as {
    checks: { check: string; status: string; found: string; fix: string }[];
  };
  const of = (name: string) => checks.find(({ check }) => check === `source ${name}`);
  expect(of("a_files")).toMatchObject({ status: "ok", found: "1 file" });
  expect(of("b_lite")).toMatchObject({ status: "ok", found: expect.stringMatching(/b\.db, 1 table$/) });
  expect(of("c_gone")).toMatchObject({
    status: "failed",
    found: expect.stringMatching(/cannot be reached/),
    fix: expect.stringMatching(/see whether the server is well and C right/),
  });
  expect(stdout).not.toContain("secret-word");
});
