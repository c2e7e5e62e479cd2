import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { processUsage } from "../../core/processes.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { startCommand } from "./command.ts";
import { stageOf, standingClock } from "./scheduling.ts";

const NUMBERS = { quick: { hours: 1, idleSeconds: 5 }, full: { hours: 24, idleSeconds: 600 } } as const;
const JOBS = 1000;
const HOUR_MS = 3_600_000;

/** L-06: a day of a thousand jobs, and nothing to do. */
export const idleScheduler: Case = {
  id: "L-06",
  run: async (ground): Promise<Report> => {
    const { hours, idleSeconds } = NUMBERS[ground.size];
    const day = await simulated(ground, hours);
    const idle = await idling(ground, idleSeconds);
    return {
      figures: [
        { name: "due_moments", value: day.due },
        none("unrecorded", day.due - day.recorded),
        { name: "history_mb", value: day.sizeMb },
        { name: "idle_cpu_percent", value: Number(idle.cpuPercent.toFixed(2)), atMost: 1 },
        { name: "wake_ups_per_s", value: Number(idle.wakeUps.toFixed(1)) },
        { name: "memory_mb", value: Math.round(idle.memoryMb), atMost: 200 },
      ],
      failures: [],
    };
  },
};

function thousand(cron: (index: number) => string): Record<string, unknown> {
  return Object.fromEntries(
    Array.from({ length: JOBS }, (_, index) => [`job${index}`, { cron: cron(index) }]),
  );
}

async function simulated({ projects }: Ground, hours: number) {
  const start = Date.parse("2026-01-15T12:00:30Z");
  const clock = standingClock(new Date(start).toISOString());
  const { scheduler, state, folder } = stageOf(
    projects,
    thousand((index) => `${index % 60} * * * *`),
    { clock },
  );
  await scheduler.begin();
  for (let at = start; at < start + hours * HOUR_MS; at += 30_000) {
    clock.set(new Date(at + 30_000));
    await scheduler.round();
  }
  const { count } = await state
    .selectFrom("runs")
    .select((row) => row.fn.countAll<number>().as("count"))
    .where("status", "=", "success")
    .executeTakeFirstOrThrow();
  await state.destroy();
  const sizeMb = Math.round(statSync(join(folder, "data/state.db")).size / 1_048_576);
  return { due: JOBS * hours, recorded: count, sizeMb };
}

async function idling({ projects }: Ground, seconds: number) {
  const cwd = projects.make({ "schedule.yml": JSON.stringify({ jobs: thousand(() => "0 0 1 1 *") }) });
  const up = startCommand(["up", "--port", "0"], { cwd });
  await delay(4000);
  const before = factsOf(up.pid);
  await delay(seconds * 1000);
  const after = factsOf(up.pid);
  up.signal("SIGTERM");
  await up.ended;
  return {
    cpuPercent: ((after.cpuSeconds - before.cpuSeconds) / seconds) * 100,
    wakeUps: (after.switches - before.switches) / seconds,
    memoryMb: after.memoryMb,
  };
}

function factsOf(pid: number | undefined) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    cpuSeconds: processUsage(pid ?? 0)?.cpuSeconds ?? 0,
    switches: number("voluntary_ctxt_switches"),
    memoryMb: number("VmRSS") / 1024,
  };
}
