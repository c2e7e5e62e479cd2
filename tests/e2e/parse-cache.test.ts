import { existsSync, mkdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\nvars: {size: 1}\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/w.duckdb, schema: main}\n    big: {type: duckdb, path: data/b.duckdb, schema: large}\n",
  "macros/twice.hbs": "{{!-- arguments: x --}}{{ x }} * 2",
  "models/base.sql": "select 1 as id",
  "models/m.sql":
    "select {{ twice('id') }}, {{ var('size') }}, '{{ env_var('WHO', 'nobody') }}' from {{ ref('base') }}",
  "models/m.yml":
    "models:\n  - name: m\n    description: A model.\n    config: {schema: \"{{ env_var('PLACE', 'here') }}\"}\n",
};

function project(): { cwd: string; write(file: string, text: string): void } {
  const cwd = temporaryFolder();
  const write = (file: string, text: string) => {
    mkdirSync(dirname(join(cwd, file)), { recursive: true });
    writeFileSync(join(cwd, file), text);
  };
  for (const [file, text] of Object.entries(FILES)) write(file, text);
  return { cwd, write };
}

test("what a command parsed before follows every change of files, variables, environment and target", async () => {
  const { cwd, write } = project();
  const compiled = async (args: string[] = [], env = {}) =>
    (await run(["compile", "--select", "m", "--quiet", ...args], { cwd, env })).stdout.trim();
  const schema = async (env = {}) =>
    JSON.parse((await run(["ls", "--select", "m", "--json", "--output-keys", "config"], { cwd, env })).stdout)
      .nodes[0].config.schema;
  const plain = `select id * 2, 1, 'nobody' from "main"."base"`;
  expect(await compiled()).toBe(plain);
  expect(existsSync(join(cwd, "target/cache/parsed"))).toBe(true);
  expect(await compiled()).toBe(plain);
  expect(await compiled(["--vars", "{size: 7}"])).toContain("* 2, 7,");
  expect(await compiled([], { WHO: "me" })).toContain("'me'");
  expect(await compiled(["--target", "big"])).toContain(`from "large"."base"`);
  expect([await schema(), await schema({ PLACE: "there" })]).toEqual(["here", "there"]);
  write("macros/twice.hbs", "{{!-- arguments: x --}}{{ x }} + {{ x }}");
  expect(await compiled()).toContain("select id + id,");
  const file = join(cwd, "models/m.sql");
  const { atime, mtime } = statSync(file);
  write("models/m.sql", FILES["models/m.sql"].replace("'id'", "'ix'"));
  utimesSync(file, atime, mtime);
  expect(await compiled()).toContain("select ix + ix,");
  renameSync(file, join(cwd, "models/n.sql"));
  rmSync(join(cwd, "models/m.yml"));
  const renamed = await run(["ls", "--resource-type", "model"], { cwd });
  expect(renamed.stdout).toBe("shop.base\nshop.n\n");
});

test("mistakes are the same, at the same places, in files that were parsed before", async () => {
  const { cwd, write } = project();
  await run(["ls"], { cwd });
  rmSync(join(cwd, "models/base.sql"));
  write("project.yml", "name: shop\n");
  const first = await run(["compile"], { cwd });
  expect(first.stderr).toContain(`models/m.sql:1:87  unknown model "base"`);
  expect(await run(["compile"], { cwd })).toEqual(first);
});
