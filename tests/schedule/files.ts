import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Clock, createContext } from "../../core/context.ts";
import type { Schedule } from "../../schedule/jobs/job.ts";
import { type CommandCheck, loadSchedule } from "../../schedule/jobs/load-jobs.ts";
import { createScheduler, type Scheduler, type SchedulerOptions } from "../../schedule/scheduler.ts";
import { openState, type StateDatabase } from "../../state/database.ts";

export function temporaryProject(files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-schedule-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Takes every command. */
export const anyCommand: CommandCheck = () => null;

export function scheduleOf(text: string): Schedule {
  return loadSchedule(temporaryProject({ "schedule.yml": text }), anyCommand);
}

/** A clock that stands until it is set, or passes over every wait. */
export function setClock(start: string): Clock & { set(time: string): void; pass(ms: number): void } {
  let now = Date.parse(start);
  return {
    now: () => new Date(now),
    set: (time) => {
      now = Date.parse(time);
    },
    pass: (ms) => {
      now += ms;
    },
    sleep: async (ms) => {
      now += ms;
    },
  };
}

export interface Ground {
  state: StateDatabase;
  scheduler: Scheduler;
  /** Another one on the same state, as after a restart. */
  again(schedule?: Schedule): Scheduler;
  folder: string;
}

/** A scheduler whose steps are shell commands: `run: "exit 3"`. */
export function shellScheduler(
  schedule: Schedule,
  clock: Clock,
  options: Partial<SchedulerOptions> & { signal?: AbortSignal } = {},
): Ground {
  const folder = temporaryProject({});
  const { signal, ...others } = options;
  const ctx = createContext({
    projectDir: folder,
    env: { PATH: process.env.PATH },
    sink: () => undefined,
    clock,
    ...(signal === undefined ? {} : { signal }),
  });
  const state = openState(join(folder, "data/state.db"));
  onTestFinished(() => state.destroy());
  const again = (next = schedule) =>
    createScheduler({
      ctx,
      state,
      schedule: next,
      logs: join(folder, "data/logs"),
      program: ["sh", "-c"],
      ...others,
    });
  return { state, scheduler: again(), again, folder };
}
