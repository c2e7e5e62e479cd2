import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT, run, temporaryFolder } from "./cli.ts";

function jaffleShop(): string {
  const folder = temporaryFolder();
  cpSync(join(ROOT, "tests/fixtures/jaffle-shop"), folder, { recursive: true });
  return folder;
}

describe("a dbt project, unchanged", () => {
  test("is seeded, built and tested", async () => {
    const cwd = jaffleShop();
    const seed = await run(["seed"], { cwd });
    expect(seed).toMatchObject({ exitCode: 0 });
    expect(seed.stdout).toContain("dev_raw.raw_customers");
    expect(seed.stdout).toContain("3 seeds loaded");
    const models = await run(["models"], { cwd });
    expect(models).toMatchObject({ exitCode: 0 });
    expect(models.stdout).toMatch(/dev_marts\.orders +table +4/);
    expect(models.stdout).toMatch(/dev\.stg_orders +view/);
    const tested = await run(["test"], { cwd });
    expect(tested).toMatchObject({ exitCode: 0 });
    expect(tested.stdout).toContain("18 passed, 0 warned, 0 failed");
    expect([seed, models, tested].map(({ stderr }) => stderr).join("")).not.toContain("warning");
  });

  test("loads the seeds that its models need by itself", async () => {
    const cwd = jaffleShop();
    const { exitCode, stderr } = await run(["models", "--select", "customers"], { cwd });
    expect(exitCode).toBe(0);
    expect(stderr).toContain("loading raw_customers, raw_orders first: never loaded in target dev");
  });

  test("leaves dbt's artifacts", async () => {
    const cwd = jaffleShop();
    await run(["seed", "--select", "raw_orders"], { cwd });
    const manifest = JSON.parse(readFileSync(join(cwd, "target/manifest.json"), "utf8"));
    expect(Object.keys(manifest.exposures)).toEqual(["exposure.jaffle_shop.weekly_jaffle_metrics"]);
    expect(manifest.group_map.finance).toContain("model.jaffle_shop.orders");
    expect(manifest.nodes["seed.jaffle_shop.raw_payments"]).toMatchObject({
      schema: "dev_raw",
      config: { column_types: { amount: "bigint" } },
    });
    expect(manifest.nodes["model.jaffle_shop.orders"].description).toBe(
      "One row per order, with what was paid for it.",
    );
    const results = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));
    expect(results.args.which).toBe("seed");
    expect(results.results).toMatchObject([
      { unique_id: "seed.jaffle_shop.raw_orders", status: "success", adapter_response: { rows_affected: 4 } },
    ]);
  });
});

function write(cwd: string, files: Record<string, string>): void {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(cwd, file, ".."), { recursive: true });
    writeFileSync(join(cwd, file), text);
  }
}

test("a dbt project has its snapshots", async () => {
  const cwd = jaffleShop();
  write(cwd, {
    "snapshots/orders.yml": `snapshots:
  - name: orders_snapshot
    relation: ref('raw_orders')
    config: {schema: history, strategy: check, unique_key: id, check_cols: [status]}
    columns: [{name: dbt_scd_id, data_tests: [unique, not_null]}]
`,
  });
  await run(["seed"], { cwd });
  expect((await run(["snapshot"], { cwd })).stdout).toMatch(/dev_history\.orders_snapshot +snapshot +4 /);
  const seed = join(cwd, "seeds/raw_orders.csv");
  writeFileSync(seed, readFileSync(seed, "utf8").replace("placed", "shipped"));
  await run(["seed"], { cwd });
  const second = await run(["snapshot"], { cwd });
  expect(second).toMatchObject({ exitCode: 0 });
  expect(second.stdout).toContain("1 snapshot taken");
  const tested = await run(["test", "--select", "orders_snapshot"], { cwd });
  expect(tested.stdout).toContain("2 passed, 0 warned, 0 failed");
  const { results } = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));
  expect(results).toHaveLength(2);
});

test("a dbt project may have macros of ours, hooks, incremental and ephemeral models over its seeds", async () => {
  const cwd = jaffleShop();
  const project = readFileSync(join(cwd, "dbt_project.yml"), "utf8");
  write(cwd, {
    "dbt_project.yml": `${project}
on-run-start: create table if not exists runs (began timestamp)
on-run-end: ["insert into runs values ('{{ run_started_at }}')"]
`,
    "macros/cents.hbs": "{{!-- arguments: column --}}\n({{column}} / 100)",
    "models/paid.sql":
      "{{ config(materialized='ephemeral') }} select id, {{ cents('amount') }} as amount from {{ ref('raw_payments') }}",
    "models/totals.sql":
      "{{ config(materialized='incremental', unique_key='id', post_hook='insert into runs values (null)') }} select * from {{ ref('paid') }}",
    "snapshots/paid.yml": `snapshots:
  - name: paid_snapshot
    relation: ref('paid')
    config: {strategy: check, unique_key: id, check_cols: all}
`,
  });
  const first = await run(["models", "--select", "totals"], { cwd });
  expect(first).toMatchObject({ exitCode: 0 });
  expect(first.stderr).toContain("loading raw_payments first");
  expect(first.stderr).not.toContain("warning");
  expect(await run(["models", "--select", "totals"], { cwd })).toMatchObject({ exitCode: 0 });
  expect((await run(["snapshot"], { cwd })).stdout).toContain("1 snapshot taken");
  const sql = `select (select count(*) from {{ ref('totals') }}) as totals, (select count(*) from {{ ref('paid_snapshot') }}) as kept,
    (select count(*) from runs where began is null) as built, (select count(began) from runs) as runs`;
  const { rows } = JSON.parse((await run(["show", "--json", "--inline", sql], { cwd })).stdout);
  expect(rows).toEqual([{ totals: 5, kept: 5, built: 2, runs: 3 }]);
});

test("a dbt project may read databases that its profile attaches, and know how fresh they are", async () => {
  const cwd = jaffleShop();
  const attached = `      schema: dev\n      attach: [{path: other.duckdb, alias: other, read_only: true}]`;
  const profiles = readFileSync(join(cwd, "profiles.yml"), "utf8");
  write(cwd, {
    "other/dbt_project.yml": "name: other\nprofile: other\n",
    "other/profiles.yml": "other: {outputs: {default: {type: duckdb, path: ../other.duckdb}}}\n",
    "other/seeds/visits.csv": "id,seen_at\n1,2020-01-01 10:00:00\n",
    "profiles.yml": profiles.replace(/ {6}schema: .*/, attached),
    "models/visits.yml": `sources:
  - name: web
    database: other
    schema: main
    config: {loaded_at_field: seen_at, freshness: {warn_after: {count: 1, period: hour}}}
    tables:
      - {name: visits, columns: [{name: id, tests: [unique]}]}
`,
    "models/visits.sql": "select * from {{ source('web', 'visits') }}",
  });
  expect(await run(["seed"], { cwd: join(cwd, "other") })).toMatchObject({ exitCode: 0 });
  expect(await run(["models", "--select", "visits"], { cwd })).toMatchObject({ exitCode: 0 });
  const tested = await run(["test", "--select", "source:web"], { cwd });
  expect(tested.stdout).toContain("1 passed, 0 warned, 0 failed");
  const warned = await run(["freshness"], { cwd });
  expect(warned).toMatchObject({ exitCode: 0 });
  expect(warned.stdout).toMatch(/web\.visits +2020-01-01T10:00:00\.000Z +\d+ days +1 hour +– +late/);
  const yaml = readFileSync(join(cwd, "models/visits.yml"), "utf8").replace("warn_after", "error_after");
  write(cwd, { "models/visits.yml": yaml });
  const failed = await run(["freshness", "--select", "source:web", "--json"], { cwd });
  expect(failed.exitCode).toBe(1);
  expect(JSON.parse(failed.stdout).sources).toMatchObject([{ status: "error" }]);
  const { metadata, results } = JSON.parse(readFileSync(join(cwd, "target/sources.json"), "utf8"));
  expect(metadata.dbt_schema_version).toBe("https://schemas.getdbt.com/dbt/sources/v3.json");
  expect(results).toMatchObject([{ unique_id: "source.jaffle_shop.web.visits", status: "error" }]);
  const none = await run(["freshness", "--select", "customers"], { cwd });
  expect(none.exitCode).toBe(2);
  expect(none.stderr).toContain("none of these sources has a rule of freshness");
  expect(none.stderr).toContain("to fix: add freshness:");
});

describe("a dbt project that cannot run as it is", () => {
  test("is told every place at once, and nothing is run", async () => {
    const cwd = jaffleShop();
    write(cwd, {
      "models/a.sql": "select 1\n{% if true %}, 2{% endif %}\n",
      "models/b.sql":
        "select {{ dbt_utils.get_column_values(ref('orders'), 'status') }} from {{ ref('orders') }}\n",
      "models/c.py": "def model(dbt, session): pass\n",
      "models/d.sql": "{% for i in [1] %}select 1{% endfor %}\n",
    });
    const { exitCode, stderr } = await run(["models"], { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("models/c.py:1:1  Python models are not supported");
    expect(stderr).toContain("write it as SQL, or move the file out of the models' folders");
    expect(stderr).toContain("models/a.sql:2:1  Jinja blocks are not supported");
    expect(stderr).toContain("models/d.sql:1:1  Jinja blocks are not supported");
    expect(stderr).toContain('models/b.sql:1:11  unknown helper "get_column_values" in the template');
    expect(existsSync(join(cwd, "jaffle_shop.duckdb"))).toBe(false);
  });

  test("is warned once of what does nothing", async () => {
    const cwd = jaffleShop();
    const project = readFileSync(join(cwd, "dbt_project.yml"), "utf8");
    write(cwd, {
      "dbt_project.yml": `${project}    +transient: true\non-run-end: ["select 1"]\nmodel-path: [x]\n`,
      "models/marts/more.sql": "{{ config(snowflake_warehouse='big') }} select 1 as id",
      "models/marts/more.yml": "models:\n  - name: more\n    config:\n      dist: even\n",
      "macros/cents.sql": "\n{% macro cents_to_dollars(c) %} {{ c }} / 100 {% endmacro %}\n",
      "packages.yml": "packages:\n  - package: dbt-labs/dbt_utils\n  - package: elementary-data/elementary\n",
    });
    const { exitCode, stderr } = await run(["seed"], { cwd });
    expect(exitCode).toBe(0);
    expect(stderr).toContain('"+transient": unknown');
    expect(stderr).toContain('"model-path": unknown');
    expect(stderr).not.toContain("on-run-end");
    expect(stderr).toContain("  macros/cents.sql:2:1  Jinja macro cents_to_dollars\n");
    expect(stderr).toContain('  models/marts/more.sql:1:4  config "snowflake_warehouse"\n');
    expect(stderr).toContain('  models/marts/more.yml:4:7  config "dist"\n');
    expect(stderr).toContain("  packages.yml:3:5  package elementary-data/elementary\n");
    expect(stderr).not.toContain("dbt_utils");
  });
});
