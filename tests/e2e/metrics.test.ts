import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { run, temporaryFolder } from "./cli.ts";

function project(sql: string): string {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, "models"));
  writeFileSync(join(cwd, "project.yml"), "name: shop\nprofile: shop\n");
  writeFileSync(
    join(cwd, "profiles.yml"),
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb}}}\n",
  );
  writeFileSync(join(cwd, "models/orders.sql"), `{{ config(materialized='table') }}\n${sql}`);
  writeFileSync(
    join(cwd, "models/orders.yml"),
    "models: [{name: orders, columns: [{name: id, data_tests: [not_null]}]}]\n",
  );
  return cwd;
}

test("every command leaves what it measured, also one that fails", async () => {
  const cwd = project("select 1 as id union all select null");
  expect(await run(["build"], { cwd })).toMatchObject({ exitCode: 1 });
  expect(await run(["models", "--select", "nothing"], { cwd })).toMatchObject({ exitCode: 2 });
  const { stdout, exitCode } = await run(["metrics", "ls", "--json"], { cwd });
  expect(exitCode).toBe(0);
  const { series } = JSON.parse(stdout) as {
    series: { name: string; labels: Record<string, string>; last: number; total?: number }[];
  };
  const last = (name: string, labels: Record<string, string>) =>
    series.find((one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels))?.last;
  expect(last("table_missing_ratio", { column: "id", table: "orders" })).toBe(0.5);
  expect(last("tests", { status: "fail" })).toBe(1);
  expect(last("model_rows", { model: "orders" })).toBe(2);
  expect(last("run_failed", { command: "build" })).toBe(1);
  expect(last("run_failed", { command: "models" })).toBe(1);
  expect(last("run_errors", { kind: "data" })).toBe(1);
  expect(last("run_errors", { kind: "configuration" })).toBe(1);
});

test("a metric is shown over time, and a wrong name with the nearest ones", async () => {
  const cwd = project("select 1 as id");
  expect(await run(["build"], { cwd })).toMatchObject({ exitCode: 0 });
  expect(await run(["test"], { cwd })).toMatchObject({ exitCode: 0 });
  const shown = await run(["metrics", "show", "tests", "--since", "1h"], { cwd });
  expect(shown.stdout).toContain("status=pass");
  expect(shown.stdout).toContain("tests: 5 series, 10 points");
  const wrong = await run(["metrics", "show", "model_rowz"], { cwd });
  expect(wrong.exitCode).toBe(2);
  expect(wrong.stderr).toContain('no metric is called "model_rowz"');
  expect(wrong.stderr).toContain("nearest names: model_rows");
  expect(wrong.stderr).toContain("see run metrics ls");
});
