import { join } from "node:path";
import { type Clock, createContext, systemClock } from "../../core/context.ts";
import type { Schedule } from "../../schedule/jobs/job.ts";
import { loadSchedule } from "../../schedule/jobs/load-jobs.ts";
import { createScheduler, type Scheduler, type SchedulerOptions } from "../../schedule/scheduler.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import type { Projects } from "./folders.ts";

export interface Stage {
  folder: string;
  schedule: Schedule;
  state: StateDatabase;
  scheduler: Scheduler;
  /** Another one on the same store, as after a restart. */
  again(): Scheduler;
}

/** A scheduler whose steps are words for `sh -c`, on a store of its own. */
export function stageOf(
  projects: Projects,
  jobs: Record<string, unknown>,
  options: Partial<SchedulerOptions> & {
    clock?: Clock;
    settings?: Record<string, unknown>;
    signal?: AbortSignal;
  } = {},
): Stage {
  const { clock = systemClock, settings = {}, signal, ...others } = options;
  const folder = projects.make({ "schedule.yml": JSON.stringify({ jobs, schedule: settings }) });
  const schedule = loadSchedule(folder, () => null);
  const state = openState(join(folder, "data/state.db"));
  const env = { PATH: process.env.PATH };
  const ctx = createContext({
    projectDir: folder,
    env,
    sink: () => undefined,
    clock,
    ...(signal ? { signal } : {}),
  });
  const logs = join(folder, "data/logs");
  const again = () => createScheduler({ ctx, state, schedule, logs, program: ["sh", "-c"], ...others });
  return { folder, schedule, state, scheduler: again(), again };
}

/** A clock that runs `speed` times as fast as the real one. */
export function fastClock(start: string, speed: number): Clock {
  const begun = Date.now();
  const first = Date.parse(start);
  return {
    now: () => new Date(first + (Date.now() - begun) * speed),
    sleep: (ms, signal) => systemClock.sleep(Math.max(ms / speed, 1), signal),
  };
}

/** A clock that stands until it is set. */
export function standingClock(start: string): Clock & { set(at: Date): void } {
  let now = new Date(start);
  return {
    now: () => now,
    set: (at) => {
      now = at;
    },
    sleep: async () => undefined,
  };
}
