import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../core/context.ts";
import { isAlive } from "../../core/processes.ts";
import { cancelRun, setPaused, triggerJob } from "../../schedule/runs/admit.ts";
import type { Scheduler } from "../../schedule/scheduler.ts";
import type { RunRow, StateDatabase } from "../../state/database.ts";
import { listRuns, partsOf } from "../../state/runs.ts";
import { scheduleOf, setClock, shellScheduler } from "./files.ts";

const MINUTE = 60_000;
const jobOf = (scheduler: Scheduler, name: string) => {
  const job = scheduler.jobs().find((one) => one.name === name);
  if (job === undefined) throw new Error(`no job ${name}`);
  return job;
};
const by = (runs: readonly RunRow[]) =>
  runs.map(({ job, status, due_at }) => [job, status, due_at?.slice(11, 16)]);
const trigger = async (state: StateDatabase, scheduler: Scheduler, name: string) => {
  const run = await triggerJob(state, jobOf(scheduler, name), { trigger: "hand", now: new Date() });
  scheduler.wake();
  return run;
};

/** Rounds in real time until nothing goes on or waits. */
async function settle(scheduler: Scheduler, state: StateDatabase): Promise<RunRow[]> {
  for (;;) {
    await scheduler.round();
    const runs = await listRuns(state, 100);
    if (runs.every(({ status }) => status !== "running" && status !== "queued")) return runs;
    await delay(10);
  }
}

test("each due moment has one run, also after a restart at the same moment", async () => {
  const clock = setClock("2026-01-15T12:00:10Z");
  const { state, scheduler, again } = shellScheduler(scheduleOf("jobs: {a: {every: 1m}}"), clock);
  await scheduler.begin();
  for (let minute = 0; minute < 3; minute++) {
    clock.pass(MINUTE);
    await scheduler.round();
    await scheduler.round();
  }
  const second = again();
  await second.begin();
  await second.round();
  expect(by((await listRuns(state, 10)).reverse())).toEqual([
    ["a", "success", "12:01"],
    ["a", "success", "12:02"],
    ["a", "success", "12:03"],
  ]);
});

test("moments that nobody saw are missed with the reason, and caught up as the job says", async () => {
  const clock = setClock("2026-01-15T12:00:10Z");
  const schedule = scheduleOf(
    "jobs: {a: {every: 1h}, b: {every: 1h, catch_up: all}, c: {every: 1h, catch_up: last}}",
  );
  const { state, scheduler } = shellScheduler(schedule, clock);
  await scheduler.begin();
  clock.set("2026-01-15T15:30:00Z");
  await scheduler.round();
  await settle(scheduler, state);
  const of = async (job: string) =>
    by(
      (await listRuns(state, 10, { job })).sort((x, y) => ((x.due_at ?? "") < (y.due_at ?? "") ? -1 : 1)),
    ).map(([, status]) => status);
  expect(await of("a")).toEqual(["missed", "missed", "missed"]);
  expect(await of("b")).toEqual(["success", "success", "success"]);
  expect(await of("c")).toEqual(["missed", "missed", "success"]);
  const [missed] = await listRuns(state, 1, { job: "a" });
  expect(missed?.reason).toBe("nobody was there to start it (catch_up: none)");
});

test("a clock that goes back starts nothing twice", async () => {
  const clock = setClock("2026-01-15T12:00:10Z");
  const { state, scheduler } = shellScheduler(scheduleOf("jobs: {a: {every: 1m}}"), clock);
  await scheduler.begin();
  for (const time of ["12:01:00", "12:02:00", "11:59:00", "12:01:00", "12:02:00", "12:03:00"]) {
    clock.set(`2026-01-15T${time}Z`);
    await scheduler.round();
  }
  expect(await listRuns(state, 10)).toHaveLength(3);
});

test("a run has its steps in order, what they used, and its log", async () => {
  const schedule = scheduleOf(
    "jobs: {a: {steps: [{name: one, run: ['echo first; sleep 1.2']}, {name: two, run: ['echo second $SILLON_RUN_STEP']}], env: {X: 1}}}",
  );
  const { state, scheduler, folder } = shellScheduler(schedule, systemClock);
  await scheduler.begin();
  await trigger(state, scheduler, "a");
  const [run] = await settle(scheduler, state);
  expect(run).toMatchObject({
    status: "success",
    exit_code: 0,
    trigger: "hand",
    summary: "2 of 2 steps succeeded",
  });
  const { steps } = await partsOf(state, run?.id ?? "");
  expect(steps).toMatchObject([
    {
      name: "one",
      status: "success",
      peak_memory_bytes: expect.any(Number),
      cpu_seconds: expect.any(Number),
    },
    { name: "two", status: "success", exit_code: 0 },
  ]);
  const log = readFileSync(join(folder, `data/logs/${run?.id}.log`), "utf8");
  expect(log).toMatch(/^== one: run .*\nfirst\n== two: .*\nsecond two\n$/);
});

test("a failed step is tried again after its delay, and what needs it is skipped in the end", async () => {
  const clock = setClock("2026-01-15T12:00:00Z");
  const schedule = scheduleOf(
    "jobs: {a: {retries: 1, retry_delay: 5m, steps: [{name: x, run: [exit 1]}, {name: y, run: ['true']}, {name: z, run: ['true'], needs: []}]}}",
  );
  const { state, scheduler } = shellScheduler(schedule, clock);
  await scheduler.begin();
  const { id } = await trigger(state, scheduler, "a");
  const attempts = async () =>
    (await partsOf(state, id)).steps.map(({ name, attempt, status }) => [name, attempt, status]);
  while (!(await attempts()).some(([, attempt]) => attempt === 2)) {
    await scheduler.round();
    await delay(10);
  }
  expect(await attempts()).toContainEqual(["x", 2, "pending"]);
  clock.pass(5 * MINUTE);
  const [run] = await settle(scheduler, state);
  expect(run).toMatchObject({ status: "failed", exit_code: 1, reason: "step x failed: exit code 1" });
  expect(await attempts()).toEqual([
    ["x", 1, "failed"],
    ["x", 2, "failed"],
    ["y", 1, "skipped"],
    ["z", 1, "success"],
  ]);
});

test("exit codes that ask not to repeat are not tried again", async () => {
  const { state, scheduler } = shellScheduler(
    scheduleOf("jobs: {a: {retries: 3, retry_delay: 0s, steps: [{run: [exit 2]}]}}"),
    systemClock,
  );
  await scheduler.begin();
  const { id } = await trigger(state, scheduler, "a");
  await settle(scheduler, state);
  expect((await partsOf(state, id)).steps).toHaveLength(1);
});

test.each([
  ["skip", ["success", "skipped", "skipped"]],
  ["queue", ["success", "success", "skipped"]],
  ["replace", ["cancelled", "skipped", "success"]],
])("overlap %s: three starts at once end as %j", async (overlap, expected) => {
  const schedule = scheduleOf(`jobs: {a: {overlap: ${overlap}, steps: [{run: ['sleep 0.3']}]}}`);
  const { state, scheduler } = shellScheduler(schedule, systemClock);
  await scheduler.begin();
  const ids: string[] = [];
  for (let start = 0; start < 3; start++) {
    ids.push((await trigger(state, scheduler, "a")).id);
    await scheduler.round();
  }
  const runs = await settle(scheduler, state);
  expect(ids.map((id) => runs.find((run) => run.id === id)?.status)).toEqual(expected);
});

test("a run that is cancelled takes all its processes with it, also those that ignore the signal", async () => {
  const script =
    "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > stray; sleep 60' & echo ready > ready; wait; sleep 60";
  const schedule = scheduleOf(JSON.stringify({ jobs: { a: { steps: [{ run: [script] }] } } }));
  const clock = setClock("2026-01-15T12:00:00Z");
  const { state, scheduler, folder } = shellScheduler(schedule, clock);
  await scheduler.begin();
  const { id } = await trigger(state, scheduler, "a");
  while (!existsSync(join(folder, "stray")) || readFileSync(join(folder, "stray"), "utf8") === "") {
    await scheduler.round();
    await delay(10);
  }
  expect(await cancelRun(state, id, clock.now())).toBe("running");
  for (let second = 0; second < 7; second++) {
    await scheduler.round();
    clock.pass(1000);
  }
  const [run] = await settle(scheduler, state);
  expect(run).toMatchObject({ status: "cancelled", reason: "somebody cancelled it", signal: "SIGKILL" });
  const stray = Number(readFileSync(join(folder, "stray"), "utf8"));
  expect(isAlive({ pid: stray, start: null })).toBe(false);
});

test.each([
  ["exits", "exit 7", { status: "failed", exit_code: 7, reason: "step s failed: exit code 7" }],
  [
    "is killed",
    "kill -9 $$",
    {
      status: "crashed",
      signal: "SIGKILL",
      reason: expect.stringContaining("ended by SIGKILL, by somebody or by the kernel"),
    },
  ],
  ["takes too long", "sleep 60", { status: "timed_out", reason: "longer than its limit of 30 s" }],
])("a step that %s is told as such", async (_, script, expected) => {
  const clock = setClock("2026-01-15T12:00:00Z");
  const schedule = scheduleOf(
    JSON.stringify({ jobs: { a: { timeout: "30s", steps: [{ name: "s", run: [script] }] } } }),
  );
  const { state, scheduler } = shellScheduler(schedule, clock);
  await scheduler.begin();
  await trigger(state, scheduler, "a");
  await scheduler.round();
  if (script === "sleep 60") clock.pass(31_000);
  const [run] = await settle(scheduler, state);
  expect(run).toMatchObject(expected);
});

test("a program that cannot be started is told as such", async () => {
  const { state, scheduler } = shellScheduler(scheduleOf("jobs: {a: {steps: [{run: ls}]}}"), systemClock, {
    program: ["/no/such/program"],
  });
  await scheduler.begin();
  await trigger(state, scheduler, "a");
  expect(await settle(scheduler, state)).toMatchObject([
    { status: "failed_to_start", reason: expect.stringContaining("ENOENT") },
  ]);
});

test("the end of a job starts those that wait for it", async () => {
  const schedule = scheduleOf(
    "jobs: {a: {steps: [{run: [exit 1]}]}, good: {triggers: [{after: a}]}, bad: {triggers: [{after: a, on: failure}]}, both: {triggers: [{after: a, on: any}]}}",
  );
  const { state, scheduler } = shellScheduler(schedule, systemClock);
  await scheduler.begin();
  const { id } = await trigger(state, scheduler, "a");
  const runs = (await settle(scheduler, state)).filter(({ job }) => job !== "a");
  expect(runs.map(({ job, cause, trigger: why }) => [job, cause, why]).sort()).toEqual([
    ["bad", id, "job"],
    ["both", id, "job"],
  ]);
});

test("a paused job skips its moments, and can be started by hand", async () => {
  const clock = setClock("2026-01-15T12:00:10Z");
  const { state, scheduler } = shellScheduler(scheduleOf("jobs: {a: {every: 1m}}"), clock);
  await setPaused(state, { name: "a", isPaused: true, now: clock.now() });
  await scheduler.begin();
  clock.pass(MINUTE);
  await scheduler.round();
  await trigger(state, scheduler, "a");
  const runs = await settle(scheduler, state);
  expect(runs.map(({ status, reason }) => [status, reason]).sort()).toEqual([
    ["skipped", "the job is paused"],
    ["success", null],
  ]);
});

test("what outlived a scheduler goes on under the next one, which starts nothing again", async () => {
  const schedule = scheduleOf(
    "jobs: {a: {steps: [{name: x, run: ['echo x >> ran; sleep 0.4']}, {name: y, run: ['echo y >> ran']}]}}",
  );
  const { state, scheduler, again, folder } = shellScheduler(schedule, systemClock);
  await scheduler.begin();
  await trigger(state, scheduler, "a");
  await scheduler.round();
  while (!existsSync(join(folder, "ran"))) await delay(10);
  const next = again();
  await next.begin();
  const [run] = await settle(next, state);
  expect(readFileSync(join(folder, "ran"), "utf8")).toBe("x\n");
  expect(run).toMatchObject({ status: "crashed", reason: expect.stringContaining("its end was not seen") });
});

test("a log is cut at its limit", async () => {
  const schedule = scheduleOf(
    "schedule: {log_mb: 0.01}\njobs: {a: {steps: [{run: ['yes | head -c 400000; sleep 1.5']}]}}",
  );
  const { state, scheduler, folder } = shellScheduler(schedule, systemClock);
  await scheduler.begin();
  const { id } = await trigger(state, scheduler, "a");
  await settle(scheduler, state);
  const log = readFileSync(join(folder, `data/logs/${id}.log`), "utf8");
  expect(log.length).toBeLessThanOrEqual(0.01 * 1024 * 1024);
  expect(log).toMatch(/\[the log was cut here: see log_mb in schedule.yml\]\n$/);
});

test("a limit of logs that is changed holds from then on", async () => {
  const jobs = "jobs: {a: {steps: [{run: ['yes | head -c 400000; sleep 1.5']}]}}";
  const { state, scheduler, folder } = shellScheduler(scheduleOf(jobs), systemClock);
  await scheduler.begin();
  await scheduler.follow(scheduleOf(`schedule: {log_mb: 0.01}\n${jobs}`));
  const { id } = await trigger(state, scheduler, "a");
  await settle(scheduler, state);
  const log = readFileSync(join(folder, `data/logs/${id}.log`), "utf8");
  expect(log.length).toBeLessThanOrEqual(0.01 * 1024 * 1024);
});

test("a scheduler that is stopped ends what it runs, and tells every end once", async () => {
  const controller = new AbortController();
  const ended: string[] = [];
  const schedule = scheduleOf("jobs: {a: {steps: [{run: ['sleep 60']}]}}");
  const { state, scheduler } = shellScheduler(schedule, systemClock, {
    signal: controller.signal,
    onRunEnded: ({ job, status }) => ended.push(`${job} ${status}`),
  });
  onTestFinished(() => controller.abort());
  const stopped = scheduler.run();
  while ((await listRuns(state, 1, { status: "running" })).length === 0) {
    if ((await listRuns(state, 1)).length === 0 && scheduler.jobs().length > 0)
      await trigger(state, scheduler, "a");
    await delay(20);
  }
  controller.abort();
  await stopped;
  expect(await listRuns(state, 5)).toMatchObject([
    { status: "interrupted", reason: "the scheduler was stopped" },
  ]);
  expect(ended).toEqual(["a interrupted"]);
});
