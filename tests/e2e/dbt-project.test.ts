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
    expect(manifest.group_map).toEqual({ finance: ["model.jaffle_shop.orders"] });
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

describe("a dbt project that cannot run as it is", () => {
  test("is told every place at once, and nothing is run", async () => {
    const cwd = jaffleShop();
    write(cwd, {
      "models/a.sql": "select 1\n{% if true %}, 2{% endif %}\n",
      "models/b.sql": "select {{ dbt_utils.star(ref('orders')) }} from {{ ref('orders') }}\n",
      "models/c.py": "def model(dbt, session): pass\n",
      "models/d.sql": "{% for i in [1] %}select 1{% endfor %}\n",
    });
    const { exitCode, stderr } = await run(["models"], { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("models/c.py:1:1  Python models are not supported");
    expect(stderr).toContain("write it as SQL, or move the file out of the models' folders");
    expect(stderr).toContain("models/a.sql:2:1  Jinja blocks are not supported");
    expect(stderr).toContain("models/d.sql:1:1  Jinja blocks are not supported");
    expect(stderr).toContain('models/b.sql:1:11  unknown helper "dbt_utils.star" in the template');
    expect(existsSync(join(cwd, "jaffle_shop.duckdb"))).toBe(false);
  });

  test("is warned once of what does nothing", async () => {
    const cwd = jaffleShop();
    const project = readFileSync(join(cwd, "dbt_project.yml"), "utf8");
    write(cwd, {
      "dbt_project.yml": `${project}    +transient: true\non-run-end: ["select 1"]\nmodel-path: [x]\n`,
      "macros/cents.sql": "\n{% macro cents_to_dollars(c) %} {{ c }} / 100 {% endmacro %}\n",
      "packages.yml": "packages:\n  - package: dbt-labs/dbt_utils\n  - package: elementary-data/elementary\n",
    });
    const { exitCode, stderr } = await run(["seed"], { cwd });
    expect(exitCode).toBe(0);
    expect(stderr).toContain("these configs do nothing here: transient");
    expect(stderr).toContain('"model-path": unknown');
    expect(stderr).toContain('"on-run-end": not supported yet');
    expect(stderr).toContain("  macros/cents.sql:2:1  Jinja macro cents_to_dollars\n");
    expect(stderr).toContain("  packages.yml:3:5  package elementary-data/elementary\n");
    expect(stderr).not.toContain("dbt_utils");
  });
});
