import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { type Api, type ApiOptions, startApi } from "../../moovitamix/server.ts";
import { type CliResult, copyProject, run } from "./cli.ts";

const SMALL = { users: 60, tracks: 80, plays: 1200 };

async function smallApi(options: ApiOptions = {}): Promise<Api> {
  const api = await startApi({ ...SMALL, ...options });
  onTestFinished(() => api.stop());
  return api;
}

/** Starts a command that stays in the middle of a stream until `api.faults` is emptied. */
async function stuckIngest(cwd: string, api: Api) {
  api.faults = [{ kind: "stall", stream: "users", where: "start" }];
  let child: { kill(signal: NodeJS.Signals): boolean } | undefined;
  const ended = run(["ingest"], {
    cwd,
    env: { MOOVITAMIX_URL: api.url },
    onStart: (started) => (child = started),
  });
  const asked = api.requests.length;
  while (!api.requests.slice(asked).some(({ path }) => path === "/users")) await delay(20);
  return { ended, kill: (signal: NodeJS.Signals) => child?.kill(signal) };
}

async function historyOf(
  cwd: string,
): Promise<{ command: string; status: string; exit_code: number | null }[]> {
  const { stdout } = await run(["history", "--json"], { cwd });
  return JSON.parse(stdout).runs;
}

test("a second command waits for the first, or exits 3 naming it", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  const first = await stuckIngest(cwd, api);
  const second = await run(["models", "--no-wait"], { cwd });
  expect(second.exitCode).toBe(3);
  expect(second.stderr).toMatch(
    /another command is writing to this project\n {2}held by "run ingest" \(pid \d+, started .+Z\)/,
  );
  first.kill("SIGTERM");
  expect(await first.ended).toMatchObject({ exitCode: 143 });
});

test("show reads the published copy while another command holds the warehouse", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  const holder = await stuckIngest(cwd, api);
  const shown = await run(
    ["show", "--json", "--inline", "select count(*) as n from {{ ref('dim_users') }}"],
    { cwd },
  );
  expect(JSON.parse(shown.stdout)).toMatchObject({ from: "published", rows: [{ n: 60 }] });
  expect(shown.stderr).toContain("another command holds the warehouse");
  holder.kill("SIGTERM");
  await holder.ended;
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s leaves whole tables and exits %i", async (signal, exitCode) => {
  const cwd = copyProject();
  const api = await smallApi();
  await run(["ingest"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  api.data.users.length = 10;
  const command = await stuckIngest(cwd, api);
  command.kill(signal);
  const result: CliResult = await command.ended;
  expect(result.exitCode).toBe(exitCode);
  expect((await historyOf(cwd))[0]).toMatchObject({
    command: "ingest",
    status: "interrupted",
    exit_code: exitCode,
  });
  const { stdout } = await run(
    ["show", "--json", "--inline", "select count(*) as n from {{ source('moovitamix', 'users') }}"],
    { cwd },
  );
  expect(JSON.parse(stdout).rows).toEqual([{ n: 60 }]);
});

test("a killed run is crashed in the history, and the next one needs no hand", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  const command = await stuckIngest(cwd, api);
  command.kill("SIGKILL");
  await command.ended;
  api.faults = [];
  expect(await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } })).toMatchObject({ exitCode: 0 });
  expect((await historyOf(cwd)).map(({ command: name, status }) => [name, status])).toEqual([
    ["pipeline", "success"],
    ["ingest", "crashed"],
  ]);
});

test("a reader in another process sees a whole release at every moment", { timeout: 180_000 }, async () => {
  const cwd = copyProject();
  const api = await smallApi();
  const env = { MOOVITAMIX_URL: api.url };
  await run(["pipeline"], { cwd, env });
  let isWriting = true;
  const reads: Promise<number[]> = (async () => {
    const { DuckDBInstance } = await import("@duckdb/node-api");
    const seen: number[] = [];
    while (isWriting) {
      const instance = await DuckDBInstance.create(join(cwd, "data/published/latest.duckdb"), {
        access_mode: "READ_ONLY",
      });
      const connection = await instance.connect();
      const read = await connection.runAndReadAll(
        "select (select count(*) from marts.fct_listens) - (select count(*) from marts.fct_listens join marts.dim_users using (user_key))",
      );
      seen.push(Number(read.getRowsJson()[0]?.[0]));
      connection.closeSync();
      instance.closeSync();
    }
    return seen;
  })();
  for (let round = 0; round < 5; round++) {
    api.growBy(3);
    expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  }
  isWriting = false;
  const seen = await reads;
  expect(seen.length).toBeGreaterThan(20);
  expect(new Set(seen)).toEqual(new Set([0]));
  const files = readdirSync(join(cwd, "data/published"));
  expect(files.filter((file) => file !== "latest.duckdb")).toHaveLength(5);
});

test("a failing data test of the project's own withholds the release", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  mkdirSync(join(cwd, "tests/data"), { recursive: true });
  writeFileSync(
    join(cwd, "tests/data/never.sql"),
    "-- Nobody is called so.\nselect user_id from {{ ref('dim_users') }} limit 3",
  );
  const { exitCode, stdout } = await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  expect(exitCode).toBe(1);
  expect(stdout).toContain("FAILED  never (3 rows)");
  expect(stdout).toContain("not published");
  expect(await run(["publish"], { cwd })).toMatchObject({ exitCode: 1 });
});

test("answers go to stdout and the story to stderr, without escapes where no terminal is", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  const env = { MOOVITAMIX_URL: api.url };
  const piped = await run(["ingest"], { cwd, env });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what must not be there
  expect(piped.stdout + piped.stderr).not.toMatch(/\u001b/);
  expect(piped.stderr).toContain("moovitamix.users: 60 records");
  expect((await run(["ingest"], { cwd, env: { ...env, FORCE_COLOR: "1" } })).stdout).toContain("\u001b[1m");
  const quiet = await run(["ingest", "--quiet", "--json"], { cwd, env });
  expect(quiet.stderr).toBe("");
  expect(JSON.parse(quiet.stdout)).toMatchObject({ command: "ingest", exit_code: 0 });
});

test("what a run writes is readable by its owner only", async () => {
  const { statSync } = await import("node:fs");
  const cwd = copyProject();
  const api = await smallApi();
  await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  const files = [
    "data/warehouse.duckdb",
    "data/state.db",
    "data/published/latest.duckdb",
    "target/run_results.json",
  ];
  expect(files.map((file) => statSync(join(cwd, file)).mode & 0o077)).toEqual([0, 0, 0, 0]);
  expect(readFileSync(join(cwd, "target/manifest.json"), "utf8")).toContain("model.moovitamix.dim_users");
});

test("waits for a program that holds the warehouse, and names it when it does not let go", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const holder = await DuckDBInstance.create(join(cwd, "data/warehouse.duckdb"));
  const refused = await run(["models", "--no-wait"], { cwd });
  expect(refused).toMatchObject({ exitCode: 3 });
  expect(refused.stderr).toContain(`pid ${process.pid}`);
  const waiting = run(["models", "--wait", "60"], {
    cwd,
    onStart: (child) => child.stderr?.once("data", () => holder.closeSync()),
  });
  expect(await waiting).toMatchObject({
    exitCode: 0,
    stderr: expect.stringContaining("waiting for the warehouse"),
  });
});

test("a reader that has seen enough ends neither the run nor hides its outcome", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  const { exitCode } = await run(["pipeline"], {
    cwd,
    env: { MOOVITAMIX_URL: api.url },
    onStart: (child) => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    },
  });
  expect(exitCode).toBe(0);
  expect((await historyOf(cwd))[0]).toMatchObject({ command: "pipeline", status: "success" });
});

test.each([
  { args: ["models", "--json", "--foo"], exitCode: 2, code: "USAGE" },
  { args: ["models", "--json", "--select", "nothing_like_it"], exitCode: 2, code: "SELECTION_EMPTY" },
  {
    args: ["models", "--json", "--select", "dim_users", "--exclude", "marts"],
    exitCode: 2,
    code: "SELECTION_EMPTY",
  },
  { args: ["ingest", "--json", "trakcs"], exitCode: 2, code: "STREAM_UNKNOWN" },
])("answers $args with one JSON document", async ({ args, exitCode, code }) => {
  const result = await run(args, { cwd: copyProject() });
  expect(result.exitCode).toBe(exitCode);
  expect(JSON.parse(result.stdout)).toMatchObject({ exit_code: exitCode, errors: [{ code }] });
});

test("an interrupted command answers with JSON too", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  api.faults = [{ kind: "stall", where: "start" }];
  const result = await run(["pipeline", "--json"], {
    cwd,
    env: { MOOVITAMIX_URL: api.url },
    onStart: (child) => {
      const stop = () => (api.requests.length > 0 ? child.kill("SIGINT") : setTimeout(stop, 20));
      stop();
    },
  });
  expect(result.exitCode).toBe(130);
  expect(JSON.parse(result.stdout)).toMatchObject({ exit_code: 130, errors: [{ code: "INTERRUPTED" }] });
});

test("a query cannot end the statement that it is put into", async () => {
  const cwd = copyProject();
  const api = await smallApi();
  await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  const query = "select 1 as a) as q; drop table marts.dim_users; select * from (select 1 as b";
  const shown = await run(["show", "--inline", query], { cwd });
  expect(shown).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("more than one statement") });
  writeFileSync(
    join(cwd, "models/marts/evil.sql"),
    "select 1 as a); drop table marts.dim_users; create table marts.x as (select 1 as b",
  );
  expect(await run(["models", "--select", "evil"], { cwd })).toMatchObject({ exitCode: 1 });
  expect(await run(["show", "dim_users"], { cwd })).toMatchObject({ exitCode: 0 });
});
