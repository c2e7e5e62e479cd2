import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { GRACE_MS } from "../../schedule/due/catch-up.ts";
import { openState } from "../../state/database.ts";
import { listRuns } from "../../state/runs.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { startCommand } from "./command.ts";
import { stageOf, standingClock } from "./scheduling.ts";

const NUMBERS = { quick: { days: 1, stoppedSeconds: 4 }, full: { days: 7, stoppedSeconds: 600 } } as const;
const MINUTE_MS = 60_000;
const START = "2026-01-15T12:00:30.000Z";

/** S-06: timers, suspension, drift. */
export const timersAndDrift: Case = {
  id: "S-06",
  run: async (ground): Promise<Report> => {
    const numbers = NUMBERS[ground.size];
    const far = await farAway(ground);
    const jump = await jumpForward(ground);
    const minutes = await everyMinute(ground, numbers.days);
    const stopped = await suspended(ground, numbers.stoppedSeconds);
    return {
      figures: [
        { name: "situations", value: 4 },
        none("early_starts", far.early + jump.early + minutes.early + stopped.early),
        { name: "due_moments", value: minutes.due },
        none("missing", minutes.missing + jump.missing + stopped.missing),
        none("doubled", minutes.doubled + stopped.doubled),
        { name: "p99_lateness_s", value: minutes.p99, atMost: 60 },
        { name: "after_suspension", value: stopped.moments },
        { name: "missed_in_suspension", value: stopped.missed },
        none("against_the_policy", stopped.wrong),
      ],
      failures: [...far.failures],
    };
  },
};

const isEarly = ({ due_at, started_at }: { due_at: string | null; started_at: string | null }) =>
  due_at !== null && started_at !== null && started_at < due_at;

/** The next moment is 30 days away. */
async function farAway({ projects }: Ground): Promise<{ early: number; failures: string[] }> {
  const clock = standingClock(START);
  const { scheduler, state } = stageOf(projects, { far: { cron: "0 12 14 2 *" } }, { clock });
  await scheduler.begin();
  const waits: number[] = [];
  for (let day = 0; day < 30; day++) {
    waits.push(await scheduler.round());
    clock.set(new Date(Date.parse(START) + day * 24 * 60 * MINUTE_MS));
  }
  const early = (await listRuns(state, 10)).length;
  clock.set(new Date("2026-02-14T12:00:00Z"));
  await scheduler.round();
  const [run] = await listRuns(state, 10);
  await state.destroy();
  const isWrong = run?.status !== "success" || waits.some((ms) => ms > 24 * 60 * MINUTE_MS);
  return {
    early,
    failures: isWrong ? [`30 days away: ${run?.status}, waits up to ${Math.max(...waits)} ms`] : [],
  };
}

async function jumpForward({ projects }: Ground): Promise<{ early: number; missing: number }> {
  const clock = standingClock(START);
  const { scheduler, state } = stageOf(projects, { often: { every: "10m" } }, { clock });
  await scheduler.begin();
  clock.set(new Date(Date.parse(START) + 120 * MINUTE_MS));
  await scheduler.round();
  const runs = await listRuns(state, 100);
  await state.destroy();
  return { early: runs.filter(isEarly).length, missing: 12 - runs.length };
}

/** A job of every minute, under a load that holds the scheduler up now and then. */
async function everyMinute({ projects, random }: Ground, days: number) {
  const clock = standingClock(START);
  const { scheduler, state } = stageOf(projects, { minutely: { every: "1m", catch_up: "all" } }, { clock });
  await scheduler.begin();
  const due = days * 24 * 60;
  const end = Date.parse(START) + due * MINUTE_MS;
  while (clock.now().getTime() < end) {
    const pause = random.next() < 0.02 ? random.next() * 50_000 : 5_000 + random.next() * 20_000;
    clock.set(new Date(Math.min(clock.now().getTime() + pause, end)));
    await scheduler.round();
  }
  const runs = await state.selectFrom("runs").selectAll().execute();
  await state.destroy();
  const late = runs
    .map((run) => Date.parse(run.started_at ?? "") - Date.parse(run.due_at ?? ""))
    .sort((a, b) => a - b);
  const distinct = new Set(runs.map(({ due_at }) => due_at)).size;
  return {
    due,
    early: runs.filter(isEarly).length,
    missing: due - distinct,
    doubled: runs.length - distinct,
    p99: Number(((late[Math.floor(late.length * 0.99)] ?? 0) / 1000).toFixed(1)),
  };
}

/** A real scheduler, stopped and continued. */
async function suspended({ projects }: Ground, seconds: number) {
  const cwd = projects.make({ "schedule.yml": "jobs: {second: {every: 1s}}\n" });
  const up = startCommand(["up", "--port", "0"], { cwd });
  await delay(2500);
  up.signal("SIGSTOP");
  await delay(seconds * 1000);
  up.signal("SIGCONT");
  await delay(2000);
  up.signal("SIGTERM");
  await up.ended;
  const state = openState(join(cwd, "data/state.db"));
  const runs = await state
    .selectFrom("runs")
    .selectAll()
    .where("due_at", "is not", null)
    .orderBy("due_at")
    .execute();
  await state.destroy();
  const times = runs.map(({ due_at }) => Date.parse(due_at ?? "") / 1000);
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const distinct = new Set(times).size;
  return {
    moments: runs.length,
    missed: runs.filter(({ status }) => status === "missed").length,
    // Noticed more than a minute late: missed with a reason, as nothing says that they are caught up with.
    wrong: runs.filter(({ status, reason, due_at, queued_at }) => {
      const isLate = Date.parse(queued_at) - Date.parse(due_at ?? "") > GRACE_MS;
      return isLate ? status !== "missed" || reason === null : status === "missed";
    }).length,
    early: runs.filter(isEarly).length,
    missing: last - first + 1 - distinct,
    doubled: times.length - distinct,
  };
}
