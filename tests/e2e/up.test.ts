import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { firstLine } from "../../cli/stand-in.ts";
import { MAIN, run, temporaryFolder } from "./cli.ts";

const PROFILES =
  "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/warehouse.duckdb, schema: main}}}\n";
const TOKEN = "a-token-of-some-length";

function project(jobs: string): string {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "project.yml"), `name: shop\nschema_names: exact\n${jobs}`);
  writeFileSync(join(cwd, "profiles.yml"), PROFILES);
  return cwd;
}

interface Up {
  child: ChildProcess;
  url: string;
  stderr: () => string;
}

/** `run up` on a free port. */
async function up(cwd: string, options: string[] = []): Promise<Up> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [MAIN, "up", "--port", "0", ...options], {
    cwd,
    env: { PATH, HOME, SILLON_TOKEN: TOKEN },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return { child, url: await firstLine(child), stderr: () => stderr };
}

// biome-ignore lint/suspicious/noExplicitAny: of an answer from outside
async function ask(url: string, path: string, method = "GET"): Promise<any> {
  const headers = { authorization: `Bearer ${TOKEN}`, "content-type": "application/json" };
  return (await fetch(`${url}${path}`, { method, headers })).json();
}

// biome-ignore lint/suspicious/noExplicitAny: of an answer from outside
async function until(url: string, path: string, isSo: (body: any) => boolean): Promise<any> {
  for (;;) {
    const body = await ask(url, path);
    if (isSo(body)) return body;
    await delay(50);
  }
}

test("a job runs commands by itself, and the history has all of it", async () => {
  const cwd = project(
    "jobs: {list: {steps: [{run: ls --allow-empty-selection}, {run: seed --allow-empty-selection}]}}\n",
  );
  const { url, child } = await up(cwd);
  expect((await run(["job", "trigger", "list"], { cwd })).stdout).toMatch(
    /^run [0-9a-f]{8} of list is queued\n$/,
  );
  const { runs } = await until(url, "/api/runs?job=list", (body) => body.runs[0]?.status === "success");
  const body = await ask(url, `/api/runs/${runs[0].id}`);
  expect(body.steps).toMatchObject([
    { name: "ls", status: "success", cpu_seconds: expect.any(Number), peak_memory_bytes: expect.any(Number) },
    { name: "seed", status: "success" },
  ]);
  expect(body.commands).toMatchObject([
    { step: "ls", status: "success" },
    { step: "seed", status: "success" },
  ]);
  const shown = await run(["history", "show", runs[0].id.slice(0, 8)], { cwd });
  expect(shown.stdout).toMatch(/ls +success .*\n +seed +success/);
  expect((await run(["logs", runs[0].id], { cwd })).stdout).toContain("== seed: run seed");
  const listed = await run(["history", "--json"], { cwd });
  expect(JSON.parse(listed.stdout).runs).toMatchObject([{ job: "list", trigger: "hand", status: "success" }]);
  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(0);
});

test("a second scheduler is refused, naming the first", async () => {
  const cwd = project("jobs: {a: {}}\n");
  const { child } = await up(cwd);
  const second = await run(["up", "--port", "0"], { cwd });
  expect(second).toMatchObject({ exitCode: 3, stdout: "" });
  expect(second.stderr).toContain("another scheduler leads this project");
  expect(second.stderr).toContain(`held by "run up" (pid ${child.pid}`);
  expect(second.stderr).toContain("use that one: run job ls asks it; or stop it first");
});

test("mistakes in jobs are told with their places before anything starts", async () => {
  const cwd = project(
    "jobs:\n  a:\n    cron: '* * * *'\n    steps:\n      - run: bild --select x\n      - run: build --selekt x\n      - run: up\n      - run: show a b\n",
  );
  const { exitCode, stderr } = await run(["up"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('project.yml:5:11  "* * * *" is no cron expression');
  expect(stderr).toContain('project.yml:7:14  unknown command "bild"\n  nearest names: build');
  expect(stderr).toContain(
    'project.yml:8:14  unknown option "--selekt" of run build\n  nearest names: --select',
  );
  expect(stderr).toContain('project.yml:9:14  "run up" never ends by itself');
  expect(stderr).toContain('project.yml:10:14  run show takes no "b"');
});

test("an edited file with mistakes leaves the former jobs, and says so until it is right", async () => {
  const cwd = project("jobs: {a: {}}\n");
  const { url, stderr } = await up(cwd);
  const file = join(cwd, "project.yml");
  const former = readFileSync(file, "utf8");
  writeFileSync(file, `${former.replace("a: {}", "a: {}, b: {cron: never}")}`);
  const wrong = await until(url, "/api/jobs", (body) => body.problems.length > 0);
  expect(wrong.jobs).toMatchObject([{ name: "a" }]);
  expect(wrong.problems[0]).toMatch(/^project\.yml:3:\d+ {2}"never" is no cron expression$/);
  expect(await ask(url, "/health")).toMatchObject({ status: "degraded", jobs: 1 });
  writeFileSync(file, former.replace("a: {}", "a: {}, b: {cron: '0 6 * * *'}"));
  const right = await until(url, "/api/jobs", (body) => body.problems.length === 0);
  expect(right.jobs).toMatchObject([{ name: "a" }, { name: "b" }]);
  expect(stderr()).toContain("the former jobs hold");
});

test("the log of a run comes part by part, in whole lines", async () => {
  const cwd = project("jobs: {list: {steps: [{run: ls --allow-empty-selection}]}}\n");
  const { url } = await up(cwd);
  const { run: asked } = await ask(url, "/api/jobs/list/trigger", "POST");
  await until(url, `/api/runs/${asked.id}`, (body) => body.run.status === "success");
  const part = await ask(url, `/api/runs/${asked.id}/log`);
  expect(part.lines[0]).toBe("== ls: run ls --allow-empty-selection");
  expect(part).toMatchObject({ run_id: asked.id, is_complete: true });
  const rest = await ask(url, `/api/runs/${asked.id}/log?offset=${part.next_offset}`);
  expect(rest).toMatchObject({ lines: [], next_offset: part.next_offset, is_complete: true });
});

test("a run that goes on is cancelled by a call", async () => {
  const cwd = project("jobs: {slow: {steps: [{run: models}]}}\n");
  mkdirSync(join(cwd, "models"));
  writeFileSync(
    join(cwd, "models/endless.sql"),
    "select sum(hash(a, b)) from range(10000000) a(a), range(10000000) b(b)",
  );
  const { url } = await up(cwd);
  const { run: asked } = await ask(url, "/api/jobs/slow/trigger", "POST");
  await until(url, `/api/runs/${asked.id}`, (body) => body.steps[0]?.status === "running");
  const cancelled = await ask(url, "/api/jobs/slow/cancel", "POST");
  expect(cancelled).toEqual({ runs: [{ id: asked.id, status: "running" }] });
  const ended = await until(url, `/api/runs/${asked.id}`, (body) => body.run.ended_at !== null);
  expect(ended.run).toMatchObject({ status: "cancelled", reason: "somebody cancelled it" });
});

test("a signal that cuts off what runs ends with 143", async () => {
  const cwd = project("jobs: {slow: {steps: [{run: models}]}}\n");
  mkdirSync(join(cwd, "models"));
  writeFileSync(
    join(cwd, "models/endless.sql"),
    "select sum(hash(a, b)) from range(10000000) a(a), range(10000000) b(b)",
  );
  const { url, child } = await up(cwd);
  const { run: asked } = await ask(url, "/api/jobs/slow/trigger", "POST");
  await until(url, `/api/runs/${asked.id}`, (body) => body.steps[0]?.status === "running");
  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(143);
});

test("a step that goes on is cancelled from outside", async () => {
  const cwd = project("jobs: {slow: {steps: [{run: ls}]}}\n");
  expect((await run(["job", "trigger", "slow"], { cwd })).stdout).toContain(
    "no scheduler runs: run up starts it",
  );
  expect((await run(["job", "trigger", "slow"], { cwd })).exitCode).toBe(1);
  expect((await run(["job", "cancel", "slow"], { cwd })).stdout).toMatch(/^run [0-9a-f]{8} is cancelled\n$/);
  expect((await run(["job", "pause", "slow"], { cwd })).stdout).toBe("slow is paused\n");
  expect((await run(["job", "ls"], { cwd })).stdout).toMatch(/slow +by hand +paused +skipped/);
});

test.each([
  [
    "SINCE_INVALID",
    ["history", "--since", "yesterday"],
    '"yesterday" is neither a time nor a duration',
    "90m, 2h, 7d",
  ],
  ["JOB_UNKNOWN", ["job", "pause", "b"], 'no job is called "b"', "run job ls lists the jobs"],
])("%s is told with exit 2", async (code, args, message, hint) => {
  const cwd = project("jobs: {a: {}}\n");
  const { exitCode, stdout } = await run([...args, "--json"], { cwd });
  expect(exitCode).toBe(2);
  expect(JSON.parse(stdout).errors).toMatchObject([{ code, message, hint: expect.stringContaining(hint) }]);
});

test("a stand-in that ends at once is told", async () => {
  const child = spawn("true", [], { stdio: ["ignore", "pipe", "ignore"] });
  await expect(firstLine(child)).rejects.toMatchObject({
    code: "STAND_IN_ENDED",
    exitCode: 4,
    hint: "see what run api says",
  });
});
