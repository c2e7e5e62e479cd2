import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { dueBetween, dueMoments } from "../../schedule/due/due.ts";
import { loadSchedule } from "../../schedule/jobs/load-jobs.ts";
import { openState } from "../../state/database.ts";
import { type Case, none, type Report } from "./case.ts";
import { startCommand } from "./command.ts";

const NUMBERS = { quick: { kills: 4, awaySeconds: 1 }, full: { kills: 100, awaySeconds: 30 } } as const;
const JOBS = 20;

/** Each fourth runs a command of its own, the others end at once. */
function jobs(): Record<string, unknown> {
  const policies = ["none", "last", "all"];
  return Object.fromEntries(
    Array.from({ length: JOBS }, (_, index) => {
      const steps = index % 4 === 0 ? [{ run: "ls --allow-empty-selection" }] : [];
      return [
        `job${index}`,
        {
          every: index % 4 === 0 ? "4s" : "1s",
          catch_up: policies[index % 3],
          overlap: index % 2 === 0 ? "skip" : "queue",
          steps,
        },
      ];
    }),
  );
}

/** S-01: the scheduler is killed again and again. */
export const killedScheduler: Case = {
  id: "S-01",
  run: async ({ size, random, projects }): Promise<Report> => {
    const { kills, awaySeconds } = NUMBERS[size];
    const cwd = projects.make({ "schedule.yml": JSON.stringify({ jobs: jobs() }) });
    const failures: string[] = [];
    for (let kill = 0; kill <= kills; kill++) {
      const up = startCommand(["up", "--port", "0"], { cwd });
      await delay(700 + random.next() * 1800);
      if (!up.isRunning()) failures.push(`run up ended by itself: ${(await up.ended).stderr}`);
      // The last one has time to close what is open.
      if (kill === kills) await delay(6000);
      up.signal(kill === kills ? "SIGTERM" : "SIGKILL");
      await up.ended;
      if (kill < kills) await delay(random.next() * awaySeconds * 1000);
    }
    return { ...(await judge(cwd, kills)), failures };
  },
};

async function judge(cwd: string, kills: number): Promise<Pick<Report, "figures">> {
  const state = openState(join(cwd, "data/state.db"));
  try {
    const runs = await state.selectFrom("runs").selectAll().execute();
    const seen = await state.selectFrom("jobs").selectAll().execute();
    const steps = await state.selectFrom("run_steps").selectAll().execute();
    const moments = runs.filter(({ due_at }) => due_at !== null).map(({ job, due_at }) => `${job} ${due_at}`);
    let unrecorded = 0;
    for (const job of loadSchedule(cwd, () => null).jobs) {
      const own = runs
        .filter((run) => run.job === job.name)
        .flatMap(({ due_at }) => due_at ?? [])
        .sort();
      const until = new Date(seen.find((row) => row.job === job.name)?.seen_until ?? 0);
      const [first] = own;
      if (job.timing === null || first === undefined) continue;
      const all = dueBetween(dueMoments(job.timing), new Date(Date.parse(first) - 1), until);
      unrecorded += all.filter((due) => !own.includes(due.toISOString())).length;
    }
    const commands = runs
      .filter(({ parent_id }) => parent_id !== null)
      .map(({ parent_id, step }) => `${parent_id} ${step}`);
    const open = runs.filter(({ status }) => status === "running").length;
    const count = (...statuses: string[]) =>
      runs.filter((run) => run.job !== null && statuses.includes(run.status)).length;
    return {
      figures: [
        { name: "kills", value: kills },
        { name: "due", value: moments.length },
        { name: "ran", value: count("success", "failed", "interrupted") },
        { name: "crashed", value: count("crashed") },
        { name: "skipped_or_missed", value: count("skipped", "missed") },
        none(
          "run_twice",
          moments.length -
            new Set(moments).size +
            commands.length -
            new Set(commands).size +
            steps.filter(({ attempt }) => attempt > 1).length,
        ),
        none("without_a_record", unrecorded),
        none("still_open", open),
      ],
    };
  } finally {
    await state.destroy();
  }
}
