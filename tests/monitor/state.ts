import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Clock, type Context, createContext, type Environment } from "../../core/context.ts";
import type { LogEntry } from "../../core/log.ts";
import { openState, type StateDatabase } from "../../state/database.ts";

/** A clock that passes over every wait. */
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
  ctx: Context;
  state: StateDatabase;
  folder: string;
  clock: ReturnType<typeof setClock>;
  said: LogEntry[];
}

/** A state store in a folder of its own, and a context with a clock that is set. */
export function stateGround(start = "2026-03-02T12:00:00Z", env: Environment = {}): Ground {
  const folder = mkdtempSync(join(tmpdir(), "sillon-monitor-"));
  const clock = setClock(start);
  const said: LogEntry[] = [];
  const ctx = createContext({
    projectDir: folder,
    env,
    sink: (entry) => said.push(entry),
    clock,
    random: () => 0.5,
  });
  const state = openState(join(folder, "data/state.db"));
  onTestFinished(async () => {
    await state.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  return { ctx, state, folder, clock, said };
}
