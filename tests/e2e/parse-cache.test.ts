import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
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

/** The manifest without what differs from one command to the next. */
function manifestOf(cwd: string): unknown {
  const text = readFileSync(join(cwd, "target/manifest.json"), "utf8");
  const { metadata: _metadata, ...manifest } = JSON.parse(
    text.replace(/"created_at":[\d.]+/g, '"created_at":0'),
  );
  return manifest;
}

/** All forms that a YAML file may give a thing in. */
const NOTES = `models:
  - name: base
    description: "  The base. "
    config: {tags: one, unique_key: id, post_hook: "select 1", pre-hook: [{sql: select 2, transaction: false}]}
    tags: [two]
    columns:
      - name: id
        tags: key
        meta: {owner: {name: me}, levels: [1, 2.5, null]}
        data_tests:
          - unique
          - accepted_values: {values: [1], quote: false, severity: WARN}
          - {test_name: accepted_range, arguments: {min_value: 0}, config: {where: id > 0, tags: slow}}
sources:
  - name: raw
    meta: {a: 1}
    tables: [{name: t, loaded_at_field: at, freshness: {warn_after: {count: 1, period: day}}, columns: [{name: at}]}]
unit_tests:
  - {name: counts, model: m, given: [{input: ref('base'), rows: [{id: 2}]}], expect: {rows: [{x: 1}]}}
exposures:
  - {name: board, type: dashboard, owner: {name: me}, depends_on: [ref('m')]}
groups: [{name: us, owner: {email: us@example.org}}]
`;

test.each([
  ["project.yml", "name: shop\nvars: {size: 1}\n"],
  ["dbt_project.yml", "name: shop\nprofile: shop\nvars: {size: 1}\n"],
])("the manifest is the same, read anew or known, with %s", async (name, text) => {
  const { cwd, write } = project();
  rmSync(join(cwd, "project.yml"));
  write(name, text);
  write("models/notes.yml", NOTES);
  const compile = async () => {
    const { exitCode, stderr } = await run(["compile", "--quiet"], { cwd });
    return { exitCode, stderr, manifest: manifestOf(cwd) };
  };
  const first = await compile();
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  expect(readFileSync(join(cwd, "target/cache/parsed"), "utf8")).toContain('"properties":{"models"');
  expect(await compile()).toEqual(first);
});

test("a config that does nothing is told of every time", async () => {
  const { cwd, write } = project();
  renameSync(join(cwd, "project.yml"), join(cwd, "dbt_project.yml"));
  write("dbt_project.yml", "name: shop\nprofile: shop\nvars: {size: 1}\n");
  write("models/notes.yml", "models:\n  - {name: base, config: {snowflake_warehouse: big}}\n");
  const first = await run(["ls"], { cwd });
  expect(first.stderr).toContain('models/notes.yml:2:27  config "snowflake_warehouse"');
  expect(await run(["ls"], { cwd })).toEqual(first);
});
