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
const POLICIES = ["none", "last", "all"] as const;

/** S-04: what was missed while nobody was there. */
export const missedWhileDown: Case = {
  id: "S-04",
  run: async ({ projects }): Promise<Report> => {
    const failures: string[] = [];
    let [combinations, deviating, recorded] = [0, 0, 0];
    for (const window of [null, "2h"]) {
      const jobs = Object.fromEntries(
        POLICIES.flatMap((runs) =>
          Object.entries(TIMES).map(([name, { cron }]) => [
            `${runs}_${name}`,
            { cron, catch_up: window === null ? runs : { runs, within: window } },
          ]),
        ),
      );
      const clock = standingClock(DOWN.from.toISOString());
      const { scheduler, again, state } = stageOf(projects, jobs, { clock, settings: { concurrency: 3 } });
      await scheduler.begin();
      clock.set(DOWN.until);
      const next = again();
      await next.begin();
      while ((await next.round()) === 0 || (await listRuns(state, 1, { status: "queued" })).length > 0);
      for (const runs of POLICIES)
        for (const [name, { due, within2h }] of Object.entries(TIMES)) {
          const eligible = window === null ? due : within2h;
          const wanted = { none: 0, last: Math.min(eligible, 1), all: eligible }[runs];
          const own = (await listRuns(state, 1000, { job: `${runs}_${name}` })).reverse();
          const ran = own.filter(({ status }) => status === "success");
          const missed = own.filter(({ status, reason }) => status === "missed" && reason !== null);
          const order = ran
            .toSorted((a, b) => ((a.started_at ?? "") < (b.started_at ?? "") ? -1 : 0))
            .map(({ due_at }) => due_at ?? "");
          const isOldestFirst =
            runs !== "all" ||
            order.join() === order.toSorted().join() ||
            new Set(ran.map(({ started_at }) => started_at)).size === 1;
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
        none("deviating", deviating),
      ],
      failures,
    };
  },
};
