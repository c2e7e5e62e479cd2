import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, run, temporaryFolder } from "./cli.ts";

interface Logs {
  run_id: string;
  lines: string[];
  entries: {
    level: string | null;
    node: string | null;
    step: string | null;
    event: string;
    message: string;
  }[];
}

function copyWares(): string {
  const cwd = temporaryFolder();
  cpSync(join(ROOT, "tests/fixtures/wares"), cwd, { recursive: true });
  return cwd;
}

async function lastRun(cwd: string): Promise<string> {
  const { stdout } = await run(["history", "--json"], { cwd });
  return (JSON.parse(stdout) as { runs: { id: string }[] }).runs[0]?.id ?? "";
}

async function logsOf(cwd: string, words: string[]): Promise<Logs> {
  const { stdout, stderr, exitCode } = await run(["logs", await lastRun(cwd), "--json", ...words], { cwd });
  expect(exitCode, stderr).toBe(0);
  return JSON.parse(stdout) as Logs;
}

/** A model that fails, and a seed that is loaded. */
async function failingBuild(): Promise<string> {
  const cwd = copyWares();
  writeFileSync(
    join(cwd, "models/staging/stg_orders.sql"),
    "select '{{ env_var('DBT_ENV_SECRET_WORD') }}' as word, nothing from {{ ref('raw_orders') }}\n",
  );
  const env = { DBT_ENV_SECRET_WORD: "correct horse battery" };
  expect(await run(["build"], { cwd, env })).toMatchObject({ exitCode: 1 });
  return cwd;
}

test("a log's lines are those of pino with run and node, masked, for their owner alone", async () => {
  const cwd = await failingBuild();
  const id = await lastRun(cwd);
  const file = join(cwd, "data/logs", `${id}.log`);
  expect(readdirSync(join(cwd, "data/logs"))).toEqual([`${id}.log`]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const text = readFileSync(file, "utf8");
  expect(text).not.toContain("correct horse battery");
  const lines = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({ level: 30, run_id: id, event: "run_started", msg: "run build" });
  expect(lines.at(-1)).toMatchObject({ event: "run_ended", data: { status: "failed", exit_code: 1 } });
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 50, node: "stg_orders", event: "model_failed" }),
  );
  for (const { time, pid } of lines) expect([typeof time, typeof pid]).toEqual(["number", "number"]);
});

test("run logs chooses by level and by node", async () => {
  const cwd = await failingBuild();
  const all = await logsOf(cwd, []);
  expect(all.entries.map(({ event }) => event)).toEqual(
    expect.arrayContaining(["seed_loaded", "model_failed"]),
  );
  expect(all.lines[0]).toMatch(/^\d{4}-\d\d-\d\dT\S+Z info {2}run build$/);
  const errors = await logsOf(cwd, ["--level", "error"]);
  expect(new Set(errors.entries.map(({ level }) => level))).toEqual(new Set(["error"]));
  const seed = await logsOf(cwd, ["--node", "raw_orders"]);
  expect(seed.entries.map(({ event }) => event)).toEqual(["seed_loaded"]);
  expect((await logsOf(cwd, ["--node", "raw_orders", "--level", "warn"])).entries).toEqual([]);
});

test("a node that the run does not know is told with the nearest", async () => {
  const cwd = await failingBuild();
  const { exitCode, stderr } = await run(["logs", await lastRun(cwd), "--node", "stg_order"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('--node  the run had nothing to do with "stg_order"\n  nearest names: stg_orders');
  expect(stderr).toContain("to fix: give the name of a model or a test, or source.stream");
});

test("the log of a job's run is what its steps print; by level its commands are asked", {
  timeout: 60_000,
}, async () => {
  const cwd = copyWares();
  writeFileSync(join(cwd, "models/staging/stg_orders.sql"), "select nothing from {{ ref('raw_orders') }}\n");
  writeFileSync(
    join(cwd, "schedule.yml"),
    "jobs:\n  nightly: {steps: [{name: load, run: seed}, {name: make, run: models, needs: [load]}]}\n",
  );
  expect(await run(["job", "trigger", "nightly"], { cwd })).toMatchObject({ exitCode: 0 });
  await run(["up", "--port", "0"], { cwd, onStart: stopWhenDone(cwd) });
  const printed = await logsOf(cwd, []);
  expect(printed.lines.join("\n")).toContain("1 seed loaded");
  const errors = await logsOf(cwd, ["--level", "error"]);
  expect(errors.entries).toMatchObject([{ step: "make", node: "stg_orders", event: "model_failed" }]);
});

/** Stops `run up` once the job's run has ended. */
function stopWhenDone(cwd: string) {
  return (child: { kill(signal: "SIGTERM"): unknown }) => {
    const look = async () => {
      const { stdout } = await run(["history", "--json"], { cwd });
      const [last] = (JSON.parse(stdout) as { runs: { status: string }[] }).runs;
      if (last?.status === "queued" || last?.status === "running") setTimeout(look, 200);
      else child.kill("SIGTERM");
    };
    setTimeout(look, 500);
  };
}
