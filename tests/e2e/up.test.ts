import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import { firstLine } from "../../cli/stand-in.ts";
import { readEvents } from "../monitor/openlineage-spec.ts";
import { copyProject, MAIN, run, temporaryFolder } from "./cli.ts";

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

test("a run that failed says what is broken before what was left out because of it", async () => {
  const cwd = project("jobs: {nightly: {steps: [{run: models}]}}\n");
  mkdirSync(join(cwd, "models"));
  writeFileSync(join(cwd, "models/broken.sql"), "selec 1");
  for (const name of ["a", "b", "c", "d", "e", "f"])
    writeFileSync(join(cwd, `models/${name}.sql`), "select * from {{ ref('broken') }}");
  const { url } = await up(cwd);
  const { run: asked } = await ask(url, "/api/jobs/nightly/trigger", "POST");
  const { run: ended } = await until(url, `/api/runs/${asked.id}`, (body) => body.run.ended_at !== null);
  expect(ended.reason).toBe("step models failed: exit code 1: model broken");
  const { stdout } = await run(["history", "show", asked.id], { cwd });
  expect(stdout).toMatch(/ {2}model\.shop\.broken +error +.*selec/);
  expect(stdout).toContain("  skipped because broken failed: 6 models (a, b, c, d, e, …)\n");
});

test("OpenLineage hears of a job's run, and its commands name it as their parent", async () => {
  const cwd = project(
    "jobs:\n  good: {steps: [{run: seed --allow-empty-selection}]}\n  bad: {steps: [{run: seed --select nothing}]}\n",
  );
  writeFileSync(join(cwd, "openlineage.yml"), "transport: {type: file, log_file_path: events.ndjson}\n");
  const { url, child } = await up(cwd);
  const ids: string[] = [];
  for (const job of ["good", "bad"]) {
    const { run: asked } = await ask(url, `/api/jobs/${job}/trigger`, "POST");
    await until(url, `/api/runs/${asked.id}`, (body) => body.run.ended_at !== null);
    ids.push(asked.id);
  }
  child.kill("SIGTERM");
  await once(child, "exit");
  const events = readEvents(readFileSync(join(cwd, "events.ndjson"), "utf8").trim().split("\n"));
  const of = (id: string | undefined) => events.filter(({ run: { runId } }) => runId === id);
  expect(of(ids[0]).map(({ eventType, job }) => [eventType, job.name])).toEqual([
    ["START", "shop.job.good"],
    ["COMPLETE", "shop.job.good"],
  ]);
  expect(of(ids[1])[1]).toMatchObject({
    eventType: "FAIL",
    job: { name: "shop.job.bad", facets: { jobType: { jobType: "JOB" } } },
    run: { facets: { errorMessage: { message: expect.stringContaining("step seed failed: exit code 2") } } },
  });
  const command = events.filter(({ job }) => job.name === "shop.seed");
  expect(command.map(({ eventType, run: { facets } }) => [eventType, facets.parent?.run])).toEqual(
    ["START", "COMPLETE", "START", "FAIL"].map((type, index) => [type, { runId: ids[index < 2 ? 0 : 1] }]),
  );
  expect(events.map(({ eventTime }) => eventTime)).toEqual(events.map(({ eventTime }) => eventTime).sort());
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

test("a job that waits for a source that nobody loads is a mistake", async () => {
  const cwd = copyProject();
  const triggers = "[{fresher: moovitamix}, {fresher: moovitamix.trakcs}]";
  writeFileSync(join(cwd, "schedule.yml"), `jobs:\n  a:\n    triggers: ${triggers}\n`);
  for (const command of [["up"], ["job", "ls"]]) {
    const { exitCode, stderr } = await run(command, { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/schedule\.yml:3:\d+ {2}unknown source "moovitamix\.trakcs" in fresher/);
    expect(stderr).toMatch(/nearest names: .*moovitamix\.tracks/);
    expect(stderr).toContain(
      "to fix: name a source of ingest/sources, or one of its streams as source.stream",
    );
  }
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

test("a store that somebody holds is waited for: nothing is lost, and questions are answered", async () => {
  const cwd = project("jobs: {list: {every: 1s, steps: [{run: ls --allow-empty-selection}]}, hand: {}}\n");
  const { url, child, stderr } = await up(cwd);
  await until(url, "/api/runs?job=list&status=running", (body) => body.runs.length > 0);
  const other = new Sqlite(join(cwd, "data/state.db"), { timeout: 20_000 });
  onTestFinished(() => void other.close());
  other.exec("begin immediate");
  const heldAt = new Date();
  expect(await ask(url, "/api/jobs/hand/trigger", "POST")).toMatchObject({
    error: { code: "STATE_BUSY", hint: expect.stringContaining("end what has it open") },
  });
  expect(await ask(url, "/api/runs?job=list")).toMatchObject({ runs: [{ job: "list" }] });
  await delay(2000);
  other.exec("rollback");
  const isLater = ({ due_at, status }: { due_at: string; status: string }) =>
    due_at > new Date(heldAt.getTime() + 6000).toISOString() && status === "success";
  const { runs } = await until(url, "/api/runs?job=list&limit=500", (body) => body.runs.some(isLater));
  const due = runs.map(({ due_at }: { due_at: string }) => Date.parse(due_at)).sort();
  expect(due).toEqual(due.map((_: number, index: number) => due[0] + index * 1000));
  expect(stderr()).toContain("another program holds the store of runs: waiting for it since 2 s");
  expect(stderr()).not.toContain("    at ");
  expect(child.exitCode).toBeNull();
});

test("a store that is moved away ends it, and what it runs", async () => {
  const { child, cwd, pid, stderr } = await endlessRun();
  renameSync(join(cwd, "data/state.db"), join(cwd, "data/moved.db"));
  expect((await once(child, "exit"))[0]).toBe(4);
  expect(stderr()).toContain("the store of runs was moved away or replaced while run up was working with it");
  expect(stderr()).toContain("to fix: put it back and start run up again; without it a new history begins");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  expect(existsSync(join(cwd, "data/state.db"))).toBe(false);
});

test("a port that is taken ends it at once, whatever had been started", async () => {
  const cwd = project("jobs: {a: {every: 1s}}\n");
  writeFileSync(
    join(cwd, "monitor.yml"),
    "channels: {hook: {type: webhook, url: {env: HOOK}}}\nrules:\n  - {name: late, metric: run_duration_seconds, max: 60}\n",
  );
  const { url } = await up(project("jobs: {a: {}}\n"));
  const { port } = new URL(url);
  const second = await run(["up", "--port", port], { cwd });
  expect(second).toMatchObject({ exitCode: 4, stdout: "" });
  expect(second.stderr).toContain(`port ${port} is in use`);
  expect(second.stderr).toContain("to fix: give another one with --port; 0 takes a free one");
  expect((await run(["up", "--port", port], { cwd })).exitCode).toBe(4);
});

/** A job whose step goes on until it is ended, and the id of its run. */
async function endlessRun() {
  const cwd = project("jobs: {slow: {steps: [{run: models}]}}\n");
  mkdirSync(join(cwd, "models"));
  writeFileSync(
    join(cwd, "models/endless.sql"),
    "select sum(hash(a, b)) from range(10000000) a(a), range(10000000) b(b)",
  );
  const started = await up(cwd);
  const { run: asked } = await ask(started.url, "/api/jobs/slow/trigger", "POST");
  const path = `/api/runs/${asked.id}`;
  await until(started.url, path, ({ commands }) => commands.length > 0);
  const store = new Sqlite(join(cwd, "data/state.db"), { readonly: true });
  const { pid } = store.prepare("select pid from run_steps").get() as { pid: number };
  store.close();
  return { ...started, cwd, path, pid };
}

test("the command of a step that is killed has crashed, with its end", async () => {
  const { url, path, pid, cwd } = await endlessRun();
  process.kill(pid, "SIGKILL");
  const { run: ended, steps, commands } = await until(url, path, (body) => body.run.ended_at !== null);
  expect(ended).toMatchObject({ status: "crashed", signal: "SIGKILL" });
  expect(steps).toMatchObject([{ status: "crashed", signal: "SIGKILL" }]);
  const { ended_at } = steps[0];
  expect(commands).toMatchObject([{ status: "crashed", signal: "SIGKILL", ended_at }]);
  expect((await run(["history"], { cwd })).stdout).toMatch(/job slow +crashed +\d/);
});

test("a scheduler and its step that are both killed leave nothing open", async () => {
  const { child, path, pid, cwd } = await endlessRun();
  child.kill("SIGKILL");
  process.kill(pid, "SIGKILL");
  const { url } = await up(cwd);
  const { run: ended, commands } = await until(url, path, (body) => body.run.ended_at !== null);
  expect(ended).toMatchObject({ status: "crashed", reason: expect.stringContaining("its end was not seen") });
  expect(commands).toMatchObject([{ status: "crashed", ended_at: expect.any(String) }]);
  expect((await ask(url, "/api/runs?status=running")).runs).toEqual([]);
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
