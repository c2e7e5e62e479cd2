import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { endOfNode } from "../../core/versions.ts";
import { run, temporaryFolder } from "./cli.ts";

/** A project that `run init` made, and built when asked. */
async function starter({ isBuilt = true } = {}): Promise<string> {
  const folder = temporaryFolder();
  expect(await run(["init", "my-shop"], { cwd: folder })).toMatchObject({ exitCode: 0, stderr: "" });
  const cwd = join(folder, "my-shop");
  if (isBuilt) expect(await run(["pipeline"], { cwd })).toMatchObject({ exitCode: 0 });
  return cwd;
}

/** The checks of `run doctor`: their results by name. */
async function doctor(cwd: string, env: Record<string, string> = {}) {
  const { stdout, exitCode } = await run(["doctor", "--json"], { cwd, env });
  const { checks } = JSON.parse(stdout) as {
    checks: { check: string; status: string; found: string; fix: string }[];
  };
  return { exitCode, checks, of: (name: string) => checks.find(({ check }) => check === name) };
}

const SOURCE = `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({ name: "shop", baseUrl: { env: "SHOP_URL" },
  streams: [{ name: "x", path: "/x", key: ["id"], record: z.looseObject({}) }] });
`;

function addSource(cwd: string): void {
  mkdirSync(join(cwd, "ingest/sources"), { recursive: true });
  writeFileSync(join(cwd, "ingest/sources/shop.ts"), SOURCE);
}

test("a new project builds and tests green at once", async () => {
  const cwd = await starter({ isBuilt: false });
  const { stdout } = await run(["pipeline", "--json"], { cwd });
  expect(JSON.parse(stdout)).toMatchObject({ exit_code: 0 });
  expect(await run(["test"], { cwd })).toMatchObject({
    exitCode: 0,
    stdout: "unit tests: 1 passed, 0 failed; tests: 6 passed, 0 warned, 0 failed\n",
  });
  expect((await run(["show", "fct_daily_sales"], { cwd })).stdout).toContain("20.5");
});

test("init leaves a folder with files alone, and refuses what cannot name a project", async () => {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, "full"));
  writeFileSync(join(cwd, "full/notes.txt"), "mine");
  const full = await run(["init", "full"], { cwd });
  expect(full).toMatchObject({ exitCode: 2, stdout: "" });
  expect(full.stderr).toContain("the folder is not empty\n  to fix: give another name");
  expect(readdirSync(join(cwd, "full"))).toEqual(["notes.txt"]);
  const named = await run(["init", "1st"], { cwd });
  expect(named.exitCode).toBe(2);
  expect(named.stderr).toContain('"1st" cannot name a project\n  to fix: begin it with a letter');
});

test("export writes a model to stdout or, in one step, to a file", async () => {
  const cwd = await starter();
  const csv = await run(["export", "fct_daily_sales"], { cwd });
  expect(csv).toMatchObject({ exitCode: 0, stderr: "" });
  expect(csv.stdout.split("\n").sort()).toEqual([
    "",
    "2026-01-05,2,2,20.5",
    "2026-01-06,1,1,43.0",
    "ordered_on,order_count,customer_count,amount",
  ]);
  const lines = (await run(["export", "stg_orders", "--format", "ndjson"], { cwd })).stdout
    .trim()
    .split("\n");
  expect(lines.map((line) => JSON.parse(line).customer).sort()).toEqual(["ada", "ada", "grace"]);
  const file = join(cwd, "out/orders.parquet");
  const { stdout } = await run(["export", "stg_orders", "--output", "out/orders.parquet", "--json"], { cwd });
  expect(JSON.parse(stdout)).toMatchObject({ from: "warehouse", format: "parquet", rows: 3, output: file });
  expect(readFileSync(file).subarray(0, 4).toString()).toBe("PAR1");
  expect(readdirSync(join(cwd, "out"))).toEqual(["orders.parquet"]);
  expect(readdirSync(join(cwd, "target")).filter((name) => name.startsWith("export"))).toEqual([]);
});

test("show and export take seeds, snapshots and sources as well", async () => {
  const cwd = await starter({ isBuilt: false });
  mkdirSync(join(cwd, "seeds"));
  mkdirSync(join(cwd, "snapshots"));
  writeFileSync(join(cwd, "seeds/rates.csv"), "currency,rate\nCHF,1.05\n");
  const snapshot =
    "{name: kept, relation: ref('rates'), config: {strategy: check, check_cols: all, unique_key: currency}}";
  writeFileSync(join(cwd, "snapshots/kept.yml"), `snapshots: [${snapshot}]\n`);
  writeFileSync(
    join(cwd, "models/sources.yml"),
    "sources: [{name: main, tables: [{name: rates}, {name: gone}]}]\n",
  );
  const early = await run(["show", "rates"], { cwd });
  expect(early).toMatchObject({ exitCode: 1, stdout: "" });
  expect(await run(["build"], { cwd })).toMatchObject({ exitCode: 0 });
  expect((await run(["show", "rates"], { cwd })).stdout).toBe("  currency   rate\n  CHF        1.05\n");
  expect((await run(["show", "kept"], { cwd })).stdout).toContain("dbt_valid_from");
  expect((await run(["export", "main.rates"], { cwd })).stdout).toBe("currency,rate\nCHF,1.05\n");
  const gone = await run(["show", "main.gone"], { cwd });
  expect(gone).toMatchObject({
    exitCode: 1,
    stderr: expect.stringContaining("gone was never loaded\n  to fix: load it first: run ingest"),
  });
  const then = await run(["show", "rates", "--as-of", "1"], { cwd });
  expect(then).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('"rates" is a seed: it cannot be read as of another time'),
  });
  const unknown = await run(["export", "main.rate"], { cwd });
  expect(unknown).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("nearest names: main.rates"),
  });
});

test("export reads the published copy while the warehouse is held", async () => {
  const cwd = await starter();
  const holder = await DuckDBInstance.create(join(cwd, "data/warehouse.duckdb"));
  onTestFinished(() => holder.closeSync());
  const held = await run(["export", "fct_daily_sales", "--output", "a.csv", "--json"], { cwd });
  expect(JSON.parse(held.stdout)).toMatchObject({ from: "published", rows: 2 });
  expect(held.stderr).toContain("published copy");
  const other = await run(["export", "stg_orders"], { cwd });
  expect(other).toMatchObject({ exitCode: 1, stdout: "" });
  expect(other.stderr).toContain("stg_orders is not among the published tables");
  const found = await doctor(cwd);
  expect(found.of("warehouse")).toMatchObject({ status: "warning", fix: expect.stringContaining("close") });
});

test.each([
  [
    ["export", "fct_daily_sale"],
    'no model, seed, snapshot or source "fct_daily_sale"',
    "nearest names: fct_daily_sales",
  ],
  [
    ["export", "stg_orders", "--format", "parquet"],
    "parquet cannot be written to stdout",
    "--output rows.parquet",
  ],
  [["export", "stg_orders", "--json"], "the rows need a file", "--output rows.csv"],
  [["export", "stg_orders", "--format", "xlsx"], "Allowed choices are parquet, csv, ndjson", "--help"],
])("%s is a wrong call", async (args, message, hint) => {
  const result = await run(args, { cwd: await starter({ isBuilt: false }) });
  expect(result.exitCode).toBe(2);
  expect(result.stderr + result.stdout).toContain(message);
  expect(result.stderr + result.stdout).toContain(hint);
});

test("doctor finds a new project well, apart from what is not built yet", async () => {
  const cwd = await starter({ isBuilt: false });
  const { exitCode, checks } = await doctor(cwd);
  expect(exitCode).toBe(0);
  const open = checks.filter(({ check, status }) => check !== "node" && status !== "ok");
  expect(open.map(({ check, fix }) => [check, fix])).toEqual([["warehouse", "fill it: run pipeline"]]);
  expect(existsSync(join(cwd, "data"))).toBe(false);
});

test("doctor names what fails, with its place and what to do", async () => {
  const cwd = await starter();
  writeFileSync(join(cwd, "models/marts/bad.sql"), "select * from {{ ref('stg_order') }}");
  addSource(cwd);
  const { exitCode, of } = await doctor(cwd, { SHOP_URL: "http://127.0.0.1:9" });
  expect(exitCode).toBe(1);
  expect(of("models")).toMatchObject({
    status: "failed",
    found: 'models/marts/bad.sql:1:18  unknown model "stg_order" in ref()',
    fix: expect.stringContaining("correct the name"),
  });
  expect(of("source shop")).toMatchObject({
    status: "failed",
    found: expect.stringContaining("http://127.0.0.1:9 cannot be reached"),
    fix: expect.stringContaining("SHOP_URL"),
  });
  expect(of("warehouse")).toMatchObject({ status: "ok" });
});

test("doctor tells a source that answers from one that refuses the credentials", async () => {
  const cwd = await starter({ isBuilt: false });
  addSource(cwd);
  const server = createServer((request, response) => {
    response.statusCode = request.headers.authorization === undefined ? 401 : 404;
    response.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is an object
  const refused = await doctor(cwd, { SHOP_URL: `http://${host}` });
  expect(refused.of("source shop")).toMatchObject({ status: "warning", found: `http://${host} answers 401` });
  const known = await doctor(cwd, { SHOP_URL: `http://me:secret-word@${host}` });
  expect(known.of("source shop")).toMatchObject({ status: "ok" });
  expect(JSON.stringify(known.checks)).not.toContain("secret-word");
});

test("doctor works where there is no project", async () => {
  const { exitCode, of } = await doctor(temporaryFolder());
  expect(exitCode).toBe(1);
  const isMaintained = endOfNode(process.versions.node, new Date()) === undefined;
  expect(of("node")).toMatchObject({ status: isMaintained ? "ok" : "warning" });
  expect(of("project")).toMatchObject({ status: "failed", found: expect.stringContaining("no project.yml") });
});
