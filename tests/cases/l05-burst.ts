import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { stageOf } from "./scheduling.ts";

const NUMBERS = { quick: { jobs: 1000, processes: 60 }, full: { jobs: 1000, processes: 1000 } } as const;
const AT_ONCE = 8;
const NOOP = ["-e", "0"];

interface Burst {
  doneSeconds: number;
  queuedP99: number;
  ended: number;
  doubled: number;
}

/** L-05: many jobs are due in the same second. */
export const burstOfJobs: Case = {
  id: "L-05",
  run: async (ground): Promise<Report> => {
    const { jobs, processes } = NUMBERS[ground.size];
    const inProcess = await burst(ground, jobs, []);
    const asProcesses = await burst(ground, processes, [{ run: NOOP }]);
    const bareSeconds = await bareLoop(processes);
    const ratio = asProcesses.doneSeconds / bareSeconds;
    return {
      figures: [
        { name: "jobs", value: jobs },
        { name: "queued_p99_s", value: Math.max(inProcess.queuedP99, asProcesses.queuedP99), atMost: 1 },
        { name: "in_process_s", value: Number(inProcess.doneSeconds.toFixed(1)), atMost: 20 },
        { name: "processes", value: processes },
        { name: "to_bare_loop", value: Number(ratio.toFixed(2)), atMost: 2 },
        none("doubled", inProcess.doubled + asProcesses.doubled),
        all("ended_well", inProcess.ended + asProcesses.ended, jobs + processes),
      ],
      failures: [],
    };
  },
};

async function burst({ projects }: Ground, count: number, steps: unknown[]): Promise<Burst> {
  // Far enough away for the first round, once.
  const due = new Date(Math.ceil((Date.now() + 2500) / 1000) * 1000);
  const cron = `${due.getUTCSeconds()} ${due.getUTCMinutes()} ${due.getUTCHours()} ${due.getUTCDate()} ${due.getUTCMonth() + 1} *`;
  const jobs = Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`job${index}`, { cron, steps }]),
  );
  const controller = new AbortController();
  let ended = 0;
  let doneAt = 0;
  const { scheduler, state } = stageOf(projects, jobs, {
    settings: { concurrency: AT_ONCE },
    signal: controller.signal,
    program: [process.execPath],
    onRunEnded: () => {
      if (++ended === count) doneAt = Date.now();
    },
  });
  const stopped = scheduler.run();
  while (doneAt === 0 && Date.now() < due.getTime() + 120_000) await delay(20);
  controller.abort();
  await stopped;
  const runs = await state.selectFrom("runs").selectAll().where("job", "is not", null).execute();
  await state.destroy();
  const late = runs.map(({ queued_at }) => Date.parse(queued_at) - due.getTime()).sort((a, b) => a - b);
  return {
    doneSeconds: (doneAt - due.getTime()) / 1000,
    queuedP99: (late[Math.floor(late.length * 0.99)] ?? 0) / 1000,
    ended: runs.filter(({ status }) => status === "success").length,
    doubled: runs.length - new Set(runs.map(({ job }) => job)).size,
  };
}

/** The same processes, so many at once, with nothing around them. */
async function bareLoop(count: number): Promise<number> {
  const startedAt = performance.now();
  let left = count;
  const worker = async () => {
    while (left-- > 0) await once(spawn(process.execPath, NOOP, { stdio: "ignore", detached: true }), "exit");
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return (performance.now() - startedAt) / 1000;
}
