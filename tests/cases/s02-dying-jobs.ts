import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type AlertSender, startAlertSender } from "../../cli/alert-sender.ts";
import { logTail } from "../../cli/log-files.ts";
import { createContext } from "../../core/context.ts";
import { processesWith } from "../../core/processes.ts";
import { RUN_VARIABLES } from "../../core/run-environment.ts";
import { cancelRun, triggerJob } from "../../schedule/runs/admit.ts";
import type { RunRow } from "../../state/database.ts";
import type { RunStatus } from "../../state/run-statuses.ts";
import { listRuns } from "../../state/runs.ts";
import { type HttpReceiver, startReceiver } from "../monitor/receivers.ts";
import { all, type Case, none, type Report } from "./case.ts";
import { writeFiles } from "./folders.ts";
import { type Stage, stageOf } from "./scheduling.ts";

const NUMBERS = { quick: 1, full: 20 } as const;
const STAMP = "echo last words; date +%s%3N > died-$SILLON_RUN_ID; ";
const TREE = "(trap '' TERM; sleep 300) & setsid sh -c 'trap \"\" TERM; sleep 300' & ";

const WAYS: Record<string, { job: Record<string, unknown>; expected: RunStatus }> = {
  killed: { job: { steps: [{ run: [`${STAMP}kill -9 $$`] }] }, expected: "crashed" },
  tree_killed: { job: { steps: [{ run: [`${TREE}${STAMP}kill -9 0`] }] }, expected: "crashed" },
  hanging: {
    job: { timeout: "1s", steps: [{ run: [`echo last words; trap '' TERM; ${TREE}sleep 300; sleep 300`] }] },
    expected: "timed_out",
  },
  not_started: { job: { steps: [{ run: ["x".repeat(200_000)] }] }, expected: "failed_to_start" },
  cancelled: {
    job: { steps: [{ run: [`echo last words; trap '' TERM; ${TREE}sleep 300; sleep 300`] }] },
    expected: "cancelled",
  },
};

/** S-02: jobs that die. */
export const dyingJobs: Case = {
  id: "S-02",
  run: async ({ size, projects }): Promise<Report> => {
    const group = memoryGroup();
    const ways: typeof WAYS = {
      ...WAYS,
      ...(group === undefined ? {} : { out_of_memory: outOfMemory(group) }),
    };
    // A job of its own for each death, so that each is an event of its own.
    const names = Array.from({ length: NUMBERS[size] }, (_, round) =>
      Object.keys(ways).map((way) => `${way}-${round}`),
    );
    const wayOf = (job: string | null) => ways[job?.split("-")[0] ?? ""];
    const jobs = Object.fromEntries(names.flat().map((name) => [name, wayOf(name)?.job]));
    const told = new Map<string, number>();
    const alerting: { sender?: AlertSender } = {};
    const stage = stageOf(projects, jobs, {
      settings: { concurrency: 2 },
      onRunEnded: (run) => {
        told.set(run.id, (told.get(run.id) ?? 0) + 1);
        alerting.sender?.jobEnded(run);
      },
    });
    const receiver = await startReceiver();
    const failures: string[] = [];
    let longest = 0;
    try {
      alerting.sender = alertsOf(stage, receiver);
      await stage.scheduler.begin();
      for (const round of names) longest = Math.max(longest, await dieOnce(stage, round));
      const runs = await listRuns(stage.state, 1000);
      for (const { job, status, reason } of runs)
        if (wayOf(job)?.expected !== status) failures.push(`${job} is ${status}: ${reason}`);
      const left = runs.flatMap(({ id }) => processesWith(RUN_VARIABLES.run, id)).length;
      await arrival(receiver, names.flat().filter((name) => !name.startsWith("cancelled")).length);
      await alerting.sender.stop();
      return {
        figures: [
          { name: "deaths", value: runs.length },
          { name: "longest_detection_s", value: Number(longest.toFixed(1)), atMost: 15 },
          none("slots_lost", runs.filter(({ status }) => status === "queued" || status === "running").length),
          all("told_once", [...told.values()].filter((count) => count === 1).length, runs.length),
          none("not_alerted_once", notAlertedOnce(names.flat(), receiver)),
          none("without_last_words", withoutLastWords(stage, runs)),
          none("processes_left", left),
        ],
        failures,
        notRun: group === undefined ? ["killed by the kernel for memory: no memory control group here"] : [],
      };
    } finally {
      await alerting.sender?.stop();
      await receiver.stop();
      await stage.state.destroy();
      if (group !== undefined) rmdirSync(group);
    }
  },
};

/** The alerts of `run up`, to a receiver of webhooks. */
function alertsOf({ folder, state }: Stage, { url }: HttpReceiver): AlertSender {
  writeFiles(folder, { "monitor.yml": "channels: {it: {type: webhook, url: {env: HOOK_URL}}}\n" });
  const ctx = createContext({ projectDir: folder, env: { HOOK_URL: url }, sink: () => undefined });
  return startAlertSender(
    { ctx, folders: { target: join(folder, "target") }, project: { name: "shop" } },
    state,
  );
}

/** Waits for so many alerts, and as long again as the sender needs to send one too many. */
async function arrival({ posts }: HttpReceiver, count: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (posts.length < count && Date.now() < deadline) await delay(50);
  await delay(2500);
}

/** Jobs whose death was alerted of never, or more than once; who cancels a run knows of it. */
function notAlertedOnce(names: readonly string[], { posts }: HttpReceiver): number {
  const alerts = posts.map(({ body }) => /"title":"job (\S+) /.exec(body)?.[1]);
  return names.filter((name) => {
    const expected = name.startsWith("cancelled") ? 0 : 1;
    return alerts.filter((job) => job === name).length !== expected;
  }).length;
}

/** Runs whose log does not end with what they printed last. */
function withoutLastWords({ folder }: Stage, runs: readonly RunRow[]): number {
  return runs.filter(
    ({ id, status }) =>
      status !== "failed_to_start" && logTail(join(folder, "data/logs"), id).at(-1) !== "last words",
  ).length;
}

/** One of each; returns the longest time from a death to its record, in seconds. */
async function dieOnce({ scheduler, state, folder }: Stage, names: readonly string[]): Promise<number> {
  const ids = new Map<string, string>();
  for (const job of scheduler.jobs().filter(({ name }) => names.includes(name)))
    ids.set(job.name, (await triggerJob(state, job, { trigger: "hand", now: new Date() })).id);
  scheduler.wake();
  const cancelId = ids.get(names.find((name) => name.startsWith("cancelled")) ?? "") ?? "";
  let cancelledAt = 0;
  for (;;) {
    await scheduler.round();
    const runs = (await listRuns(state, names.length)).filter(({ id }) => [...ids.values()].includes(id));
    const going = runs.find(({ id, status }) => id === cancelId && status === "running");
    if (going !== undefined && cancelledAt === 0 && Date.now() - Date.parse(going.started_at ?? "") > 300) {
      cancelledAt = Date.now();
      await cancelRun(state, cancelId, new Date());
      scheduler.wake();
    }
    if (runs.every(({ status }) => status !== "queued" && status !== "running")) {
      const times = runs.map(({ id, ended_at }) => Date.parse(ended_at ?? "") - diedAt(folder, id));
      const cancelled = runs.find(({ id }) => id === cancelId);
      return (
        Math.max(...times.filter(Number.isFinite), Date.parse(cancelled?.ended_at ?? "") - cancelledAt) / 1000
      );
    }
    await delay(20);
  }
}

function diedAt(folder: string, id: string): number {
  const file = join(folder, `died-${id}`);
  return existsSync(file) ? Number(readFileSync(file, "utf8")) : Number.NaN;
}

const GROUPS = "/sys/fs/cgroup/memory";
const LIMIT_BYTES = 64 * 1024 * 1024;

/** A memory control group in which 64 MB are the limit; undefined where there are none. */
function memoryGroup(): string | undefined {
  const folder = join(GROUPS, `sillon-${process.pid}`);
  try {
    mkdirSync(folder);
    writeFileSync(join(folder, "memory.limit_in_bytes"), String(LIMIT_BYTES));
    return folder;
  } catch {
    return undefined; // Not allowed, or the other kind of control groups.
  }
}

function outOfMemory(group: string): { job: Record<string, unknown>; expected: RunStatus } {
  const eat = `const all = []; for (;;) all.push(Buffer.alloc(10_000_000, 1));`;
  const script = `echo $$ > ${join(group, "tasks")}; ${STAMP}exec ${process.execPath} -e '${eat}'`;
  return { job: { steps: [{ run: [script] }] }, expected: "crashed" };
}
