import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createContext } from "../../core/context.ts";
import { ProjectError } from "../../core/errors.ts";
import { triggerJob } from "../../schedule/runs/admit.ts";
import { acquireLeadership } from "../../state/lock.ts";
import { type Case, none, type Report } from "./case.ts";
import { fastClock, stageOf } from "./scheduling.ts";

const NUMBERS = { quick: 40, full: 1000 } as const;
const POLICIES = ["skip", "queue", "replace"] as const;
/** Ten seconds of the clock take 100 ms. */
const SPEED = 100;
const EVERY_MS = 10_000;

/** S-03: a job that takes 35 s is due every 10 s. */
export const overlappingRuns: Case = {
  id: "S-03",
  run: async ({ size, projects }): Promise<Report> => {
    const moments = NUMBERS[size];
    const clock = fastClock("2026-01-15T12:00:00Z", SPEED);
    const controller = new AbortController();
    const jobs = Object.fromEntries(
      POLICIES.map((overlap) => [
        overlap,
        {
          every: "10s",
          overlap,
          steps: [
            {
              run: [
                `echo + >> ${overlap}.txt; trap 'echo - >> ${overlap}.txt; exit 1' TERM; sleep 0.35 & wait; echo - >> ${overlap}.txt`,
              ],
            },
          ],
        },
      ]),
    );
    const { scheduler, state, folder } = stageOf(projects, jobs, { clock, signal: controller.signal });
    const begun = clock.now();
    const stopped = scheduler.run();
    let byHand = 0;
    for (let moment = 1; moment <= moments; moment++) {
      const due = (Math.floor(begun.getTime() / EVERY_MS) + moment) * EVERY_MS;
      await delay(Math.max((due - clock.now().getTime()) / SPEED, 0));
      // At the same instant as the timed start.
      if (moment % 5 !== 0) continue;
      for (const job of scheduler.jobs()) await triggerJob(state, job, { trigger: "hand", now: clock.now() });
      byHand += POLICIES.length;
      scheduler.wake();
    }
    controller.abort();
    await stopped;
    const runs = await state.selectFrom("runs").selectAll().where("job", "is not", null).execute();
    const seen = await state.selectFrom("jobs").selectAll().execute();
    const due = seen.reduce(
      (sum, { seen_until }) =>
        sum + Math.floor(Date.parse(seen_until) / EVERY_MS) - Math.floor(begun.getTime() / EVERY_MS),
      0,
    );
    await state.destroy();
    const recorded = runs.filter(({ due_at }) => due_at !== null).length;
    const count = (status: string) => runs.filter((run) => run.status === status).length;
    return {
      figures: [
        { name: "due_moments", value: due },
        { name: "by_hand", value: byHand },
        {
          name: "ran",
          value: count("success") + count("cancelled") + count("interrupted") + count("failed"),
        },
        { name: "skipped", value: count("skipped") },
        {
          name: "simultaneous_runs",
          value: Math.max(...POLICIES.map((name) => simultaneous(join(folder, `${name}.txt`)))),
          atMost: 1,
        },
        none("unrecorded", due - recorded + byHand - runs.filter(({ trigger }) => trigger === "hand").length),
        none(
          "without_a_reason",
          runs.filter(({ status, reason }) => status === "skipped" && reason === null).length,
        ),
        none("second_leaders", await secondLeaders(folder)),
      ],
      failures: [],
    };
  },
};

/** How many went on at once: a line + for each beginning, - for each end. */
function simultaneous(file: string): number {
  if (!existsSync(file)) return 0;
  let [going, most] = [0, 0];
  for (const line of readFileSync(file, "utf8").trim().split("\n")) {
    going += line === "+" ? 1 : -1;
    most = Math.max(most, going);
  }
  return most;
}

/** How many of ten others lead a project that has a leader. */
async function secondLeaders(folder: string): Promise<number> {
  const ctx = createContext({ projectDir: folder, env: {}, sink: () => undefined });
  const file = join(folder, "data/scheduler.db");
  const lock = await acquireLeadership(ctx, file, "run up");
  const tries = await Promise.all(
    Array.from({ length: 10 }, () =>
      acquireLeadership(ctx, file, "run up").then(
        () => true,
        (error: unknown) => !(error instanceof ProjectError && error.code === "SCHEDULER_RUNS"),
      ),
    ),
  );
  lock.release();
  return tries.filter(Boolean).length;
}
