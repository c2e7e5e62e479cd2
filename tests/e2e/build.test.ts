import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, ROOT, run, temporaryFolder } from "./cli.ts";

interface NodeAnswer {
  name: string;
  status: string;
  reason: string | null;
}

function projectOf(files: Record<string, string>): string {
  const cwd = temporaryFolder();
  const all = { "project.yml": "name: shop\n", "profiles.yml": PROFILES, ...files };
  for (const [file, text] of Object.entries(all)) write(cwd, file, text);
  return cwd;
}

const PROFILES =
  "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 2}, other: {type: duckdb, path: data/other.duckdb, schema: main}}}\n";

function write(cwd: string, file: string, text: string): void {
  mkdirSync(dirname(join(cwd, file)), { recursive: true });
  writeFileSync(join(cwd, file), text);
}

/** What a command answers: names and statuses, or the reasons of what was skipped. */
async function answerOf(cwd: string, ...args: string[]) {
  const { exitCode, stdout, stderr } = await run([...args, "--json"], { cwd });
  const answer = JSON.parse(stdout);
  const nodes: NodeAnswer[] = ["seeds", "snapshots", "models", "tests"].flatMap((kind) => answer[kind] ?? []);
  const statuses = Object.fromEntries(nodes.map(({ name, status, reason }) => [name, reason ?? status]));
  return { exitCode, stderr, answer, statuses };
}

async function rowsOf(cwd: string, sql: string, ...args: string[]): Promise<unknown> {
  const { stdout } = await run(["show", "--json", "--inline", sql, ...args], { cwd });
  return JSON.parse(stdout).rows;
}

const resultsIn = (cwd: string) => JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));

describe("run build", () => {
  test("of a dbt project loads, builds and tests all of it", async () => {
    const cwd = temporaryFolder();
    cpSync(join(ROOT, "tests/fixtures/jaffle-shop"), cwd, { recursive: true });
    const { exitCode, stdout } = await run(["build"], { cwd });
    expect(exitCode).toBe(0);
    expect(stdout).toContain("Seeds: 3 seeds loaded");
    expect(stdout).toMatch(/Data tests: 18 passed, 0 warned, 0 failed/);
    expect(resultsIn(cwd).args).toMatchObject({ which: "build", select: [], vars: {}, full_refresh: false });
  });

  test("of this project does what the pipeline does, without ingest and release", async () => {
    const cwd = copyProject();
    const api = await startApi({ users: 60, tracks: 80, plays: 1200 });
    onTestFinished(() => api.stop());
    await run(["ingest"], { cwd, env: { MOOVITAMIX_URL: api.url } });
    const { exitCode, answer } = await answerOf(cwd, "build");
    expect(exitCode).toBe(0);
    expect([answer.models.length, answer.tests.length > 50]).toEqual([26, true]);
    expect(existsSync(join(cwd, "data/published"))).toBe(false);
    const narrow = await answerOf(cwd, "build", "--select", "dim_users", "--resource-type", "model", "test");
    expect(Object.keys(narrow.statuses)).toContain("dim_users");
    expect(narrow.answer.models).toHaveLength(1);
  });

  test("of what stands on a broken test says so, in the pipeline as well", async () => {
    const cwd = copyProject();
    const api = await startApi({ users: 60, tracks: 80, plays: 1200 });
    onTestFinished(() => api.stop());
    write(cwd, "tests/data/stg_users__none.sql", "select * from {{ ref('stg_users') }}");
    const env = { MOOVITAMIX_URL: api.url };
    const { exitCode, stderr } = await run(["pipeline"], { cwd, env });
    expect(exitCode).toBe(1);
    expect(stderr).toContain("skipped dim_users: stg_users__none failed");
    expect(stderr).toContain("not published: a model or a test failed");
    rmSync(join(cwd, "tests/data/stg_users__none.sql"));
    write(cwd, "tests/data/stg_users__none.sql", "select * from {{ ref('stg_users') }} where false");
    const retried = await run(["retry"], { cwd, env });
    expect(retried).toMatchObject({ exitCode: 0 });
    expect(retried.stdout).toContain("published 20 tables");
    expect(retried.stdout).not.toContain("Records per stream");
    expect(retried.stdout).not.toMatch(/marts\.dim_tracks +table/);
  });
});

test("run retry of a pipeline whose streams were not loaded loads them", async () => {
  const cwd = copyProject();
  const api = await startApi({ users: 60, tracks: 80, plays: 1200 });
  onTestFinished(() => api.stop());
  const env = { MOOVITAMIX_URL: api.url };
  api.faults = [{ kind: "status", status: 404 }];
  expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 1 });
  api.faults = [];
  const { exitCode, stdout } = await run(["retry"], { cwd, env });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Records per stream:");
  expect(stdout).toContain("published 20 tables");
});

/** bad -> child; good stands alone; the test of good fails when it has rows above `most`. */
const FILES = {
  "models/bad.sql": "{{ config(materialized='table') }} select cast('x' as integer) as a",
  "models/child.sql": "select a + {{ var('more', 0) }} as a from {{ ref('bad') }}",
  "models/good.sql": "{{ config(materialized='table') }} select 1 as a",
  "tests/data/claim.sql": "select * from {{ ref('good') }} where a > {{ var('most', 0) }}",
  "models/after.sql": "select * from {{ ref('good') }}",
};

describe("run retry", () => {
  test("runs what failed and what was skipped, and leaves what a clean build leaves", async () => {
    const cwd = projectOf(FILES);
    expect(await answerOf(cwd, "build")).toMatchObject({
      exitCode: 1,
      statuses: { bad: "error", child: "bad failed", good: "success", claim: "fail", after: "claim failed" },
    });
    const fixed = {
      "models/bad.sql": "{{ config(materialized='table') }} select 7 as a",
      "tests/data/claim.sql": "select * from {{ ref('good') }} where a > 9",
    };
    write(cwd, "models/bad.sql", fixed["models/bad.sql"]);
    expect(await answerOf(cwd, "retry")).toMatchObject({
      exitCode: 1,
      statuses: { bad: "success", claim: "fail" },
    });
    write(cwd, "tests/data/claim.sql", fixed["tests/data/claim.sql"]);
    const { exitCode, statuses } = await answerOf(cwd, "retry");
    expect({ exitCode, statuses }).toEqual({ exitCode: 0, statuses: { claim: "pass", after: "success" } });
    const clean = projectOf({ ...FILES, ...fixed });
    await run(["build"], { cwd: clean });
    const tables = "from child union all from after order by 1";
    expect(await rowsOf(cwd, tables)).toEqual(await rowsOf(clean, tables));
  });

  test("takes the options of the run: variables, target, full refresh, selection", async () => {
    const cwd = projectOf(FILES);
    const options = ["--vars", "{more: 5, most: 3}", "--target", "other", "-f", "--exclude", "good+"];
    expect(await answerOf(cwd, "build", ...options)).toMatchObject({ exitCode: 1 });
    write(cwd, "models/bad.sql", "select 1 as a");
    const { exitCode, statuses } = await answerOf(cwd, "retry");
    expect({ exitCode, statuses }).toEqual({ exitCode: 0, statuses: { bad: "success", child: "success" } });
    expect(await rowsOf(cwd, "from child", "--target", "other")).toEqual([{ a: 6 }]);
    expect(resultsIn(cwd).args).toMatchObject({
      target: "other",
      vars: { more: 5, most: 3 },
      full_refresh: true,
      exclude: ["good+"],
    });
  });

  test("of what was left out by --fail-fast goes on with it", async () => {
    const cwd = projectOf({ ...FILES, "models/a.sql": "select nope" });
    const first = await answerOf(cwd, "models", "--fail-fast", "--threads", "1");
    expect(first).toMatchObject({ exitCode: 1, statuses: { a: "error", good: "a failed (--fail-fast)" } });
    write(cwd, "models/a.sql", "select 1 as a");
    write(cwd, "models/bad.sql", "select 1 as a");
    const { exitCode, statuses } = await answerOf(cwd, "retry");
    expect(exitCode).toBe(0);
    expect(Object.keys(statuses).sort()).toEqual(["a", "after", "bad", "child", "good"]);
    const again = await run(["retry"], { cwd });
    expect(again).toMatchObject({ exitCode: 0 });
    expect(again.stdout).toMatch(/^nothing to retry: 5 nodes of "run retry --json", none failed\n$/);
  });

  test("of a microbatch model builds the batches that failed", async () => {
    const model = (day: number) => `{{ config(materialized='incremental', incremental_strategy='microbatch',
      event_time='happened', batch_size='day', begin='2026-01-01') }}
      select happened, case when extract('day' from happened) = ${day} then cast(x as integer) else 0 end as n, get_current_timestamp() as built
      from {{ ref('events') }}`;
    const cwd = projectOf({
      "models/events.sql":
        "{{ config(materialized='table', event_time='happened') }} select timestamp '2026-01-01' + interval (i) day as happened, 'x' as x from range(4) t(i)",
      "models/m.sql": model(0),
    });
    const range = ["--event-time-start", "2026-01-01", "--event-time-end", "2026-01-05"];
    expect(await answerOf(cwd, "models", ...range)).toMatchObject({ exitCode: 0 });
    write(cwd, "models/m.sql", model(2));
    const second = await answerOf(cwd, "models", "--select", "m", ...range);
    expect(second).toMatchObject({ exitCode: 1, statuses: { m: "partial success" } });
    const before = await rowsOf(
      cwd,
      "select happened, built from m where extract('day' from happened) <> 2 order by 1",
    );
    write(cwd, "models/m.sql", model(0).replace("else 0", "else 9"));
    expect(await answerOf(cwd, "retry")).toMatchObject({ exitCode: 0, statuses: { m: "success" } });
    expect(resultsIn(cwd).results[0].batch_results.successful).toEqual([
      ["2026-01-02T00:00:00.000Z", "2026-01-03T00:00:00.000Z"],
    ]);
    expect(
      await rowsOf(cwd, "select happened, built from m where extract('day' from happened) <> 2 order by 1"),
    ).toEqual(before);
    expect(await rowsOf(cwd, "select n from m order by happened")).toEqual([
      { n: 0 },
      { n: 9 },
      { n: 0 },
      { n: 0 },
    ]);
  });

  test("runs a corrected test in the place of the one that failed", async () => {
    const yaml = (values: string) =>
      `models: [{name: m, columns: [{name: a, data_tests: [not_null, {accepted_values: {arguments: {values: ${values}}}}]}]}]\n`;
    const cwd = projectOf({ "models/m.sql": "select 1 as a", "models/m.yml": yaml("[2]") });
    expect(await answerOf(cwd, "build")).toMatchObject({ exitCode: 1 });
    write(cwd, "models/m.yml", yaml("[3]"));
    const still = await answerOf(cwd, "retry");
    expect(still).toMatchObject({ exitCode: 1, statuses: { accepted_values_m_a__3: "fail" } });
    expect(Object.keys(still.statuses)).toEqual(["accepted_values_m_a__3"]);
    expect(still.stderr).toMatch(
      /left out: test\.shop\.accepted_values_m_a__2\.\w+; run instead: test\.shop\.accepted_values_m_a__3\./,
    );
    write(cwd, "models/m.yml", yaml("[1]"));
    const corrected = await answerOf(cwd, "retry");
    expect(corrected).toMatchObject({ exitCode: 0, statuses: { accepted_values_m_a__1: "pass" } });
  });

  test("leaves out what is no longer in the project, and says so", async () => {
    const cwd = projectOf(FILES);
    await run(["models"], { cwd });
    rmSync(join(cwd, "models/child.sql"));
    write(cwd, "models/bad.sql", "select 1 as a");
    const { exitCode, statuses, stderr } = await answerOf(cwd, "retry");
    expect({ exitCode, statuses }).toEqual({ exitCode: 0, statuses: { bad: "success" } });
    expect(stderr).toContain("no longer in the project, left out: model.shop.child");
  });

  test("without a run, or of results that are none, says what to do", async () => {
    const cwd = projectOf(FILES);
    const none = await run(["retry"], { cwd });
    expect(none.exitCode).toBe(2);
    expect(none.stderr).toContain(
      "run_results.json  there is no run to retry\n  to fix: run something first: run build",
    );
    write(
      cwd,
      "old/run_results.json",
      JSON.stringify({ metadata: {}, args: { which: "docs" }, results: [] }),
    );
    const odd = await run(["retry", "--state", "old"], { cwd });
    expect(odd.exitCode).toBe(2);
    expect(odd.stderr).toContain("old/run_results.json  these results do not say what can be run again");
    expect(odd.stderr).toContain("to fix: run the command itself: run build");
  });
});
