import type { RunRow, StateDatabase } from "../state/database.ts";
import { listRuns } from "../state/runs.ts";
import { dueMoments } from "./due/due.ts";
import type { Job } from "./jobs/job.ts";

/** A job as people look at it. */
export interface ListedJob {
  job: Job;
  isPaused: boolean;
  /** Null when it has no timing, is paused or not enabled. */
  nextDue: Date | null;
  lastRun: RunRow | null;
  /** How many of its due moments were missed, in the history that is kept. */
  missed: number;
}

/** The jobs with what the history knows of them. */
export async function listJobs(state: StateDatabase, jobs: readonly Job[], now: Date): Promise<ListedJob[]> {
  const paused = await state.selectFrom("jobs").select("job").where("is_paused", "=", 1).execute();
  const missed = await state
    .selectFrom("runs")
    .select(["job", (row) => row.fn.countAll<number>().as("count")])
    .where("status", "=", "missed")
    .groupBy("job")
    .execute();
  const listed: ListedJob[] = [];
  for (const job of jobs) {
    const isPaused = paused.some(({ job: name }) => name === job.name);
    const isDue = job.timing !== null && job.isEnabled && !isPaused;
    const [lastRun = null] = await listRuns(state, 1, { job: job.name });
    listed.push({
      job,
      isPaused,
      nextDue: isDue && job.timing !== null ? dueMoments(job.timing)(now) : null,
      lastRun,
      missed: missed.find(({ job: name }) => name === job.name)?.count ?? 0,
    });
  }
  return listed;
}

/** A moment in a time zone, with its offset: `2026-03-29 03:00:00+02:00`. */
export function localTime(moment: Date, timeZone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
    timeZoneName: "longOffset",
  }).formatToParts(moment);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  const offset = part("timeZoneName").replace("GMT", "") || "+00:00";
  return `${part("year")}-${part("month")}-${part("day")} ${part("hour")}:${part("minute")}:${part("second")}${offset}`;
}
