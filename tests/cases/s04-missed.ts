import { setTimeout as delay } from "node:timers/promises";
import type { Scheduler } from "../../schedule/scheduler.ts";
import type { RunRow, StateDatabase } from "../../state/database.ts";
import { listRuns } from "../../state/runs.ts";
import { type Case, none, type Report } from "./case.ts";
import { stageOf, standingClock } from "./scheduling.ts";

const DOWN = { from: new Date("2026-01-15T03:02:30Z"), until: new Date("2026-01-15T09:02:30Z") };
/** Due moments of the six hours, all of them more than a minute before the return. */
const TIMES: Record<string, { cron: string; due: number; within2h: number }> = {
  five_minutes: { cron: "*/5 * * * *", due: 72, within2h: 24 },
  hourly: { cron: "0 * * * *", due: 6, within2h: 2 },
  daily: { cron: "0 6 * * *", due: 1, within2h: 0 },
};
/** Runs that may go on at once. */
const AT_ONCE = 3;
const POLICIES = ["none", "last", "all"] as const;

/** S-04: what was missed while nobody was there. */
export const missedWhileDown: Case = {
  id: "S-04",
  run: async ({ projects }): Promise<Report> => {
    const failures: string[] = [];
    let [combinations, deviating, recorded, atOnce] = [0, 0, 0, 0];
    for (const window of [null, "2h"]) {
      const jobs = Object.fromEntries(
        POLICIES.flatMap((runs) =>
          Object.entries(TIMES).map(([name, { cron }]) => [
            `${runs}_${name}`,
            { cron, catch_up: window === null ? runs : { runs, within: window }, steps: [{ run: ["true"] }] },
          ]),
        ),
      );
      const clock = standingClock(DOWN.from.toISOString());
      const { scheduler, again, state } = stageOf(projects, jobs, {
        clock,
        settings: { concurrency: AT_ONCE },
      });
      await scheduler.begin();
      clock.set(DOWN.until);
      const next = again();
      await next.begin();
      atOnce = Math.max(atOnce, await untilDone(next, state));
      for (const runs of POLICIES)
        for (const [name, { due, within2h }] of Object.entries(TIMES)) {
          const eligible = window === null ? due : within2h;
          const wanted = { none: 0, last: Math.min(eligible, 1), all: eligible }[runs];
          const own = (await listRuns(state, 1000, { job: `${runs}_${name}` })).reverse();
          const ran = own.filter(({ status }) => status === "success");
          const missed = own.filter(({ status, reason }) => status === "missed" && reason !== null);
          const order = await orderOf(state, ran);
          const isOldestFirst = order.join() === order.toSorted().join();
          combinations++;
          recorded += own.length;
          if (ran.length === wanted && missed.length === due - wanted && isOldestFirst) continue;
          deviating++;
          failures.push(
            `${runs} ${name} within ${window}: ran ${ran.length} of ${wanted}, missed ${missed.length}`,
          );
        }
      await state.destroy();
    }
    return {
      figures: [
        { name: "combinations", value: combinations },
        { name: "due_moments", value: recorded },
        { name: "at_once", value: atOnce, atMost: AT_ONCE },
        none("deviating", deviating),
      ],
      failures,
    };
  },
};

/** Rounds until nothing goes on or waits; returns how many runs went on at once. */
async function untilDone(scheduler: Scheduler, state: StateDatabase): Promise<number> {
  let most = 0;
  for (;;) {
    await scheduler.round();
    const running = (await listRuns(state, 100, { status: "running" })).length;
    most = Math.max(most, running);
    if (running === 0 && (await listRuns(state, 1, { status: "queued" })).length === 0) return most;
    await delay(2);
  }
}

/** Due moments in the order in which their runs were started; the clock stands, so processes tell. */
async function orderOf(state: StateDatabase, runs: readonly RunRow[]): Promise<string[]> {
  const ids = runs.map(({ id }) => id);
  if (ids.length === 0) return [];
  const steps = await state
    .selectFrom("run_steps")
    .select(["run_id", "process_start", "pid"])
    .where("run_id", "in", ids)
    .execute();
  const startOf = (id: string) => {
    const step = steps.find(({ run_id }) => run_id === id);
    return Number(step?.process_start) * 1e7 + Number(step?.pid);
  };
  return runs.toSorted((a, b) => startOf(a.id) - startOf(b.id)).map(({ due_at }) => due_at ?? "");
}
