import { hash } from "node:crypto";
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createReuseProject, type Project, type RunsOptions } from "./project.ts";

const profile = (more = "") =>
  `shop:\n  target: dev\n  outputs:\n${["dev", "prod"].map((name) => `    ${name}: {type: duckdb, path: data/w.duckdb, schema: ${name}, threads: 2${more}}\n`).join("")}`;

const yaml = (more: { tags?: string; description?: string; seedType?: string } = {}) => `
sources:
  - name: raw
    schema: raw_shop
    tables: [{name: orders}, {name: notes}]
models:
  - name: a
    description: ${more.description ?? "Orders."}
    config: {tags: [${more.tags ?? ""}]}
    columns: [{name: id, data_tests: [unique, not_null]}]
seeds:
  - name: s
    config: {column_types: {id: ${more.seedType ?? "bigint"}}}
snapshots:
  - name: snap
    relation: ref('a')
    config: {unique_key: id, strategy: check, check_cols: all}
`;

const FILES = {
  "project.yml":
    "name: shop\nmodels: {shop: {+materialized: table}}\nseeds: {shop: {}}\nvars: {least: 0}\nschema_names: exact\n",
  "profiles.yml": profile(),
  "models/schema.yml": yaml(),
  "macros/twice.hbs": "{{!-- arguments: value --}}2 * {{ value }}",
  "models/a.sql": "select id, name from {{ source('raw', 'orders') }}",
  "models/b.sql":
    "{{ config(materialized='view') }}select * from {{ ref('a') }} where id > {{ var('least') }}",
  "models/c.sql":
    "select b.id, {{ twice('b.id') }} as two from {{ ref('b') }} as b join {{ ref('s') }} as s using (id)",
  "models/d.sql": "select 1 as x",
  "seeds/s.csv": "id\n1\n2\n3\n",
};

const LOADED = [
  "create schema raw_shop",
  "create table raw_shop.orders as select 1 as id, 'x' as name",
  "create table raw_shop.notes as select 1 as id",
  `create table raw_shop._loads as select 1 as load_id, 'orders' as stream, 'full' as mode, 'ok' as outcome, 1 as "new", 0 as changed, 0 as deleted`,
  "create table raw_shop._quarantine as select 1 as load_id",
];

const load = (id: number, changed: number) =>
  `insert into raw_shop._loads values (${id}, 'orders', 'full', 'ok', 0, ${changed}, 0)`;

/** The project after its first build. */
async function built(files: Readonly<Record<string, string>> = {}): Promise<Project> {
  const project = createReuseProject({ ...FILES, ...files });
  await project.own(...LOADED);
  await project.results();
  return project;
}

const OUTSIDE = "the warehouse was changed outside of this project";
const RELATIONS = ["a", "b", "c", "d", "s", "snap"];
const TESTS = { unique_a_id: "pass", not_null_a_id: "pass" };
const all = (why: string) => ({ ...Object.fromEntries(RELATIONS.map((name) => [name, why])), ...TESTS });
const BELOW_A = { b: "a was rebuilt", c: "b changed", snap: "a was rebuilt", ...TESTS };

interface Situation {
  what: string;
  change: (project: Project) => void | Promise<void>;
  options?: RunsOptions;
  ran: Record<string, string>;
}

const SITUATIONS: Situation[] = [
  { what: "nothing", change: () => {}, ran: {} },
  {
    what: "a comment",
    change: ({ write }) => write({ "models/a.sql": `-- more\n${FILES["models/a.sql"]} /* end */` }),
    ran: {},
  },
  {
    what: "spacing and the case of keywords",
    change: ({ write }) => write({ "models/a.sql": FILES["models/a.sql"].replace("select ", "SELECT\n   ") }),
    ran: {},
  },
  {
    what: "a description and a tag",
    change: ({ write }) => write({ "models/schema.yml": yaml({ description: "Sales.", tags: "daily" }) }),
    ran: {},
  },
  {
    what: "SQL",
    change: ({ write }) => write({ "models/a.sql": `${FILES["models/a.sql"]} where id > 0` }),
    ran: { a: "its SQL changed", ...BELOW_A },
  },
  {
    what: "the SQL of a view",
    change: ({ write }) => write({ "models/b.sql": `${FILES["models/b.sql"]} and true` }),
    ran: { b: "its SQL changed", c: "b changed" },
  },
  {
    what: "a macro",
    change: ({ write }) => write({ "macros/twice.hbs": "{{!-- arguments: value --}}{{ value }} * 2" }),
    ran: { c: "its SQL changed" },
  },
  {
    what: "a variable",
    change: () => {},
    options: { common: { vars: "{least: -1}" } },
    ran: { b: "its SQL changed", c: "b changed" },
  },
  {
    what: "a load that changed something",
    change: ({ own }) => own("insert into raw_shop.orders values (2, 'y')", load(2, 1)),
    ran: { a: "raw.orders has a new load", ...BELOW_A },
  },
  { what: "a load with nothing new", change: ({ own }) => own(load(2, 0)), ran: {} },
  {
    what: "a stream that was reset",
    change: ({ own }) => own("delete from raw_shop.orders", load(2, 0).replace("'full'", "'reset'")),
    ran: { a: "raw.orders has a new load", ...BELOW_A },
  },
  {
    what: "the materialization",
    change: ({ write }) => write({ "models/d.sql": "{{ config(materialized='view') }}select 1 as x" }),
    ran: { d: "its configuration changed" },
  },
  {
    what: "a hook",
    change: ({ write }) => write({ "models/d.sql": "{{ config(post_hook='select 1') }}select 1 as x" }),
    ran: { d: "its configuration changed" },
  },
  {
    what: "a seed's file",
    change: ({ write }) => write({ "seeds/s.csv": "id\n1\n" }),
    ran: { s: "its file changed", c: "s was loaded anew" },
  },
  {
    what: "a seed's types",
    change: ({ write }) => write({ "models/schema.yml": yaml({ seedType: "integer" }) }),
    ran: { s: "its configuration changed", c: "s was loaded anew" },
  },
  {
    what: "a setting of the profile",
    change: ({ write }) =>
      write({ "profiles.yml": profile(", settings: {default_null_order: nulls_first}") }),
    ran: all("the target's settings changed"),
  },
  { what: "the target", change: () => {}, options: { common: { target: "prod" } }, ran: all("never built") },
  { what: "--full-refresh", change: () => {}, options: { fullRefresh: true }, ran: all("--full-refresh") },
  { what: "--no-reuse", change: () => {}, options: { reuse: false }, ran: all("--no-reuse") },
  {
    what: "a table that a hook dropped",
    change: ({ own }) => own("drop table dev.d"),
    ran: { d: "its table is missing" },
  },
  {
    what: "a table that a hook replaced by a view",
    change: ({ own }) => own("drop table dev.d", "create view dev.d as select 2 as x"),
    ran: { d: "its table became a view" },
  },
  {
    what: "a table dropped by hand",
    change: ({ outside }) => outside("drop table dev.d"),
    ran: { ...all(OUTSIDE), d: "its table is missing" },
  },
  {
    what: "a table replaced by a view by hand",
    change: ({ outside }) => outside("drop table dev.d", "create view dev.d as select 2 as x"),
    ran: all(OUTSIDE),
  },
  {
    what: "a row updated by hand",
    change: ({ outside }) => outside("update dev.d set x = 2"),
    ran: all(OUTSIDE),
  },
  {
    what: "a column added by hand",
    change: ({ outside }) => outside("alter table dev.d add column y integer"),
    ran: all(OUTSIDE),
  },
  { what: "somebody who only reads", change: ({ outside }) => outside("from dev.d"), ran: {} },
  {
    what: "a warehouse of which nothing is known",
    change: ({ folder }) => {
      for (const name of readdirSync(join(folder, "data/builds")))
        writeFileSync(join(folder, "data/builds", name), "");
    },
    ran: all("its last build failed, or is not known"),
  },
];

describe("what runs after", () => {
  test.each(SITUATIONS)("$what", async ({ change, options, ran }) => {
    const project = await built();
    await change(project);
    expect(await project.ran(options)).toEqual(ran);
    // What was said once is not said again.
    expect(await project.ran(options?.common === undefined ? {} : { common: options.common })).toEqual({});
  });
});

test("another version of the engine makes everything anew", async () => {
  const project = await built();
  const folder = join(project.folder, "data/builds");
  for (const name of readdirSync(folder)) {
    const [head = "", body = ""] = readFileSync(join(folder, name), "utf8").split("\n");
    const older = body.replaceAll(/"the engine's version":"[^"]*"/g, `"the engine's version":"v0"`);
    writeFileSync(join(folder, name), `${head.replace(/\w+$/, hash("sha256", older, "hex"))}\n${older}`);
  }
  expect(await project.ran()).toEqual(all("the engine's version changed"));
});

test("the tables of two targets in one warehouse are told apart", async () => {
  const project = await built();
  await project.results({ common: { target: "prod" } });
  expect(await project.ran()).toEqual({});
  expect(await project.ran({ common: { target: "prod" } })).toEqual({});
});

test("a backup that is put back is not taken for what was built since", async () => {
  const project = await built();
  copyFileSync(project.warehouse, `${project.warehouse}.backup`);
  project.write({ "models/d.sql": "select 2 as x" });
  await project.results();
  copyFileSync(`${project.warehouse}.backup`, project.warehouse);
  expect(await project.ran()).toEqual(all(OUTSIDE));
  expect(await project.rows("from dev.d")).toEqual([[2]]);
});

describe("what runs each time", () => {
  test.each([
    ["select now() as x", "uses now()"],
    ["select random() as x", "uses random()"],
    ["select 1 as x from {{ ref('a') }} using sample 1", "takes a sample"],
    ["-- depends on: {{ ref('b') }}\nselect * from dev.a", "names dev.a without ref or source"],
    ["-- depends on: {{ ref('b') }}\nselect * from dev.b", "-"],
    ["select '{{ invocation_id }}' as x", "its SQL changed"],
    ["{{ config(materialized='incremental') }}select 1 as x", "incremental models always run"],
  ])("%s", async (sql, why) => {
    const project = await built({ "models/d.sql": sql });
    expect(await project.ran()).toEqual(why === "-" ? {} : { d: why });
    expect(await project.ran()).toEqual(why === "-" ? {} : { d: why });
  });

  test("a table that reads a view of which nobody can tell the rows", async () => {
    const project = await built({
      "models/b.sql": "{{ config(materialized='view') }}select *, now() as at from {{ ref('a') }}",
    });
    expect(await project.ran()).toEqual({ b: "uses now()", c: "b uses now()" });
  });

  test("a model and a test that look at the clock", async () => {
    const tests = { "tests/data/late.sql": "select * from {{ ref('a') }} where now() < date '2000-01-01'" };
    const project = await built(tests);
    expect(await project.ran()).toEqual({ late: "pass" });
  });
});

describe("incremental models", () => {
  const files = {
    "models/d.sql":
      "{{ config(materialized='incremental', unique_key='id') }}select id from {{ source('raw', 'orders') }}{{#if (is_incremental)}} where id > (select max(id) from {{ this }}){{/if}}",
    "models/e.sql": "select count(*) as n from {{ ref('d') }}",
  };

  test("do not make their readers run when they added no row", async () => {
    const project = await built(files);
    expect(await project.ran()).toEqual({ d: "incremental models always run" });
  });

  test("make their readers run when they added some", async () => {
    const project = await built(files);
    await project.own("insert into raw_shop.orders values (2, 'y')", load(2, 1));
    expect(await project.ran()).toMatchObject({ e: "d was rebuilt" });
    expect(await project.rows("from dev.e")).toEqual([["2"]]);
  });
});

test("a table that nobody is known to write is read again after hooks", async () => {
  const files = { "models/d.sql": "select count(*) as n from {{ source('raw', 'notes') }}" };
  const project = await built(files);
  expect(await project.ran()).toEqual({});
  project.write({
    "project.yml": `${FILES["project.yml"]}on-run-start: insert into raw_shop.notes values (2)\n`,
  });
  expect(await project.ran()).toEqual({ d: "raw.notes may have been written to" });
  expect(await project.rows("from dev.d")).toEqual([["2"]]);
});

test("what failed runs again, also when it is put back as it was", async () => {
  const project = await built();
  project.write({ "models/d.sql": "select 1 as x from missing" });
  expect(await project.ran()).toEqual({ d: "error" });
  project.write({ "models/d.sql": FILES["models/d.sql"] });
  expect(await project.ran()).toEqual({ d: "its last build failed, or is not known" });
});

test("one selected node is compared with what its parents are now", async () => {
  const project = await built();
  project.write({ "models/a.sql": `${FILES["models/a.sql"]} where id > 0` });
  expect(await project.ran({ select: ["c"] })).toEqual({});
  expect(await project.ran({ select: ["a"], which: "run" })).toEqual({ a: "its SQL changed" });
  expect(await project.ran({ select: ["c"] })).toEqual({ c: "b changed" });
  expect(await project.ran()).toEqual({ b: "a was rebuilt", snap: "a was rebuilt", ...TESTS });
});

test("only tests that passed are reused, and run test runs them all", async () => {
  const project = await built();
  await project.own("insert into raw_shop.orders values (1, 'again')", load(2, 1));
  expect(await project.ran()).toMatchObject({ unique_a_id: "fail", not_null_a_id: "pass" });
  expect(await project.ran({ select: ["a"] })).toEqual({ unique_a_id: "fail" });
  expect(await project.ran({ which: "test" })).toEqual({ unique_a_id: "fail", not_null_a_id: "pass" });
});
