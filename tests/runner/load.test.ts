import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { testsOf } from "../../runner/graph/nodes.ts";
import { createProject } from "./project.ts";

const project = (models: string, more = "") => `name: shop\n${more}models:\n  shop:\n${models}`;

describe("a model's configuration", () => {
  test("comes from the nearest of folders, YAML and config()", () => {
    const { model } = createProject({
      "project.yml": project(
        "    +schema: a\n    +alias: a\n    marts:\n      +materialized: table\n      +schema: b\n",
      ),
      "models/marts/m.sql": "{{ config(alias='c') }} select 1",
      "models/marts/m.yml": "models: [{name: m, config: {alias: b, schema: c}}]",
    });
    expect(model("m").config).toMatchObject({ materialized: "table", schema: "c", alias: "c" });
  });

  test("adds up tags and merges meta", () => {
    const { model } = createProject({
      "project.yml": project("    +tags: daily\n    +meta: {a: 1, b: 1}\n"),
      "models/m.sql": "{{ config(tags=['daily', 'slow'], meta={'b': 3}) }} select 1",
      "models/m.yml": "models: [{name: m, config: {tags: [pii], meta: {b: 2, c: 2}}}]",
    });
    expect(model("m").config).toMatchObject({ tags: ["daily", "pii", "slow"], meta: { a: 1, b: 3, c: 2 } });
  });

  test("may be given for one model in project.yml, with and without plus", () => {
    const { model } = createProject({
      "project.yml": project("    marts:\n      m:\n        materialized: table\n        +tags: [x]\n"),
      "models/marts/m.sql": "select 1",
    });
    expect(model("m").config).toMatchObject({ materialized: "table", tags: ["x"] });
  });

  test("is a view without tags when nothing is said", () => {
    expect(createProject({ "models/m.sql": "select 1" }).model("m").config).toMatchObject({
      materialized: "view",
      schema: null,
      alias: null,
      enabled: true,
      tags: [],
      meta: {},
    });
  });

  test("warns of folders in project.yml that no model lies in", () => {
    const { scope, log } = createProject({
      "project.yml": project("    martz:\n      +tags: x\n"),
      "models/marts/m.sql": "select 1",
    });
    scope();
    expect(log.map(({ event, message }) => [event, message])).toEqual([
      ["config_unused", 'project.yml:4:5  no model lies below "martz"; nearest names: marts'],
    ]);
  });
});

describe("a model's relation", () => {
  test.each([
    ["exact", "  +schema: marts\n", "marts"],
    ["dbt", "  +schema: marts\n", "main_marts"],
    ["exact", "  +tags: x\n", "main"],
    ["dbt", "  +tags: x\n", "main"],
  ])("with schema_names %s and%s lies in %s", (rule, config, schema) => {
    const { model } = createProject({
      "project.yml": `name: shop\nschema_names: ${rule}\nmodels:\n${config}`,
      "models/m.sql": "select 1",
    });
    expect(model("m").relation).toEqual({ schema, name: "m" });
  });

  test("is named by its alias", () => {
    const { sql } = createProject({
      "models/m.sql": "{{ config(alias='Other') }}select 1",
      "models/n.sql": "select * from {{ ref('m') }}",
    });
    expect(sql("n")).toBe('select * from "main"."Other"');
  });

  test("of a source is its identifier in its schema", () => {
    const { sql } = createProject({
      "models/s.yml":
        "sources: [{name: api, schema: raw_api, tables: [{name: t, identifier: t_latest}, {name: u}]}]",
      "models/m.sql": "select * from {{ source('api', 't') }}, {{ source('api', 'u') }}",
    });
    expect(sql("m")).toBe('select * from "raw_api"."t_latest", "raw_api"."u"');
  });
});

describe("a template", () => {
  const render = (sql: string, options = {}) =>
    createProject(
      { "project.yml": "name: shop\nvars: {a: 1, nothing: null, b: [x, y]}\n", "models/m.sql": sql },
      options,
    ).sql("m");

  test.each([
    ["a variable of project.yml", "{{ var('a') }}", "1"],
    ["a default", "{{ var('other', 'x') }}", "x"],
    ["a variable rather than its default", "{{ var('a', 2) }}", "1"],
    ["an empty list as a default", "a{{#each (var 'other' (list))}}{{this}}{{/each}}", "a"],
    ["a list of project.yml", "{{#each (var 'b')}}({{this}}){{/each}}", "(x)(y)"],
    [
      "the target by dbt's names",
      "{{ target.name }} {{ target.profile_name }} {{ target.type }}",
      "dev shop duckdb",
    ],
    ["the model itself", "{{ this }} {{ this.schema }}.{{ this.identifier }}", '"main"."m" main.m'],
    ["an environment variable", "{{ env_var('HERE') }} {{ env_var('NOT_HERE', 'x') }}", "there x"],
  ])("reads %s", (_, sql, text) => {
    expect(render(sql, { env: { HERE: "there" } })).toBe(text);
  });

  test("takes --vars before project.yml", () => {
    expect(render("{{ var('a') }}", { vars: { a: 2 } })).toBe("2");
  });

  test("gives away its own semicolon", () => {
    expect(render("select 1 ;\n\n")).toBe("select 1");
    expect(render("select 1; -- one\n;/* two */")).toBe("select 1");
  });

  test.each([
    "select ';' as a",
    "select '; -- ' as a",
    'select 1 as "; --"',
    "select $$ ; $$",
    "select 1 -- ;",
  ])("keeps the semicolon of %s", (sql) => expect(render(sql)).toBe(sql));
});

test("a model that is switched off is not there, and neither are its tests", () => {
  const { scope } = createProject({
    "models/m.sql": "{{ config(enabled=false) }}select 1",
    "models/m.yml": "models: [{name: m, columns: [{name: a, data_tests: [unique]}]}]",
  });
  expect([...scope().graph.nodes]).toEqual([]);
});

test("models may have the same name when one is switched off", () => {
  const { model } = createProject({
    "models/a/m.sql": "{{ config(enabled=false) }}select 1",
    "models/b/m.sql": "select 2",
  });
  expect(model("m").file).toBe("models/b/m.sql");
});

test("folders of project.yml may end in a slash and begin with a dot", () => {
  const { model } = createProject({
    "project.yml": "name: shop\nmodel-paths: [./sql/, more]\n",
    "sql/marts/m.sql": "select 1",
    "more/n.sql": "select * from {{ ref('m') }}",
  });
  expect(model("m")).toMatchObject({ file: "sql/marts/m.sql", fqn: ["shop", "marts", "m"] });
  expect(model("n").dependsOn).toEqual(["model.shop.m"]);
});

test("passes over what an editor leaves behind", () => {
  const { ctx, scope } = createProject({ "models/m.sql": "select 1", "models/.m.sql": "{{" });
  symlinkSync("nobody@nowhere", join(ctx.projectDir, "models/.#m.sql"));
  symlinkSync("nowhere", join(ctx.projectDir, "models/gone.sql"));
  mkdirSync(join(ctx.projectDir, "models/folder.sql"));
  expect([...scope().graph.nodes.keys()]).toEqual(["model.shop.m"]);
});

test("reads files with Windows line ends and a byte order mark", () => {
  const { test: find } = createProject({
    "project.yml": "\ufeffname: shop\r\n",
    "models/m.sql": "\ufeff-- é\r\nselect 1 as a\r\n",
    "models/m.yml":
      "\ufeffmodels:\r\n  - name: m\r\n    columns:\r\n      - name: a\r\n        data_tests: [unique]\r\n",
  });
  expect(find("unique_m_a").where).toBe("models/m.yml:5:22");
});

describe("generic tests", () => {
  const load = (column: string, more: Record<string, string> = {}) =>
    testsOf(
      createProject({
        "models/orders.sql": "select 1",
        "models/customers.sql": "select 1",
        "models/m.yml": `models:\n  - name: orders\n    columns:\n      - name: ${column}\n`,
        ...more,
      }).scope().graph,
    );

  // These ids are in the manifest of dbt's own example project, jaffle_shop.
  test.each([
    ["order_id", "unique", "unique_orders_order_id.fed79b3a6e"],
    ["order_id", "not_null", "not_null_orders_order_id.cf6c17daed"],
    [
      "status",
      "accepted_values: {values: [placed, shipped, completed, return_pending, returned]}",
      "accepted_values_orders_status__placed__shipped__completed__return_pending__returned.be6b5b5ec3",
    ],
    [
      "customer_id",
      "relationships: {to: ref('customers'), field: customer_id}",
      "relationships_orders_customer_id__customer_id__ref_customers_.c6ec7f58f2",
    ],
  ])("on %s: %s has dbt's id", (column, declared, id) => {
    const [node] = load(
      `${column}\n        tests: [{${declared.includes(":") ? declared : `${declared}: {}`}}]`,
    );
    expect(node?.id).toBe(`test.shop.${id}`);
  });

  test("on sources are named by source and table", () => {
    const { scope } = createProject({
      "models/s.yml":
        "sources: [{name: api, tables: [{name: t, columns: [{name: _key, tests: [not_null]}]}]}]",
    });
    expect(testsOf(scope().graph).map(({ name }) => name)).toEqual(["source_not_null_api_t__key"]);
  });

  test("take arguments and configuration inline and in their own maps", () => {
    const inline = "accepted_values: {values: [a], severity: warn, where: 'x > 1'}";
    const nested = "accepted_values: {arguments: {values: [a]}, config: {severity: WARN, where: 'x > 1'}}";
    const [one, two] = [inline, nested].map((text) => load(`c\n        data_tests: [{${text}}]`)[0]);
    expect(one).toEqual({ ...two, generic: one?.generic, where: one?.where });
    expect(one?.generic?.sql).toBe(two?.generic?.sql);
    expect(one?.config).toMatchObject({ severity: "warn", where: "x > 1" });
  });

  test("may have a name and a description of their own", () => {
    const [node] = load("c\n        data_tests: [{unique: {name: my_test, description: Why.}}]");
    expect(node).toMatchObject({ name: "my_test", description: "Why." });
  });

  test("that are switched off are not there", () => {
    expect(load("c\n        data_tests: [{unique: {enabled: false}}]")).toEqual([]);
  });

  test("depend on what they look at", () => {
    const [node] = load("c\n        tests: [{relationships: {to: \"{{ ref('customers') }}\", field: id}}]");
    expect(node?.dependsOn).toEqual(["model.shop.orders", "model.shop.customers"]);
  });

  test("write values as SQL, in quotes unless they say otherwise", () => {
    const [texts] = load("c\n        tests: [{accepted_values: {values: [it's, 1]}}]");
    const [numbers] = load("c\n        tests: [{accepted_values: {values: [1, 2], quote: false}}]");
    expect(texts?.generic?.sql).toContain("not in ('it''s', '1')");
    expect(numbers?.generic?.sql).toContain("not in (1, 2)");
  });
});

test("singular tests carry the claim that they open with", () => {
  const { test: find } = createProject({
    "models/m.sql": "select 1",
    "tests/data/sub/m__holds.sql":
      "-- Every row\n-- holds.\n{{ config(severity='warn', tags=['x']) }}\nselect * from {{ ref('m') }}",
  });
  expect(find("m__holds")).toMatchObject({
    id: "test.shop.m__holds",
    description: "Every row holds.",
    tags: ["x"],
    config: { severity: "warn" },
    dependsOn: ["model.shop.m"],
  });
});
