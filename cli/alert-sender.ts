import { messageOf, projectErrorsOf } from "../core/errors.ts";
import { deliverDue } from "../monitor/alerts/deliver.ts";
import { findingOfJob, jobKey } from "../monitor/incidents/finding.ts";
import { loadMonitor, type MonitorSettings } from "../monitor/settings.ts";
import { type Watched, watchAges, watchFindings, watchRun } from "../monitor/watch.ts";
import type { RunRow, StateDatabase } from "../state/database.ts";
import { keepMetrics } from "../state/metrics.ts";
import type { Workspace } from "./workspace.ts";

/** What `run up` does for alerts beside the scheduler. */
export interface AlertSender {
  /** Watches a job's run that has ended. */
  jobEnded(run: RunRow): void;
  /** Ends after the message that is being sent. */
  stop(): Promise<void>;
}

const SEND_MS = 2000;
const AGES_MS = 60_000;

/** Sends what the outbox holds, and looks once a minute at what grows old. Throws what is wrong with the settings (exit 2). */
export function startAlertSender(
  {
    ctx,
    folders,
    project,
  }: Pick<Workspace, "ctx"> & { folders: { target: string }; project: { name: string } },
  state: StateDatabase,
  { everyMs = SEND_MS, jobs = () => [] }: { everyMs?: number; jobs?: () => readonly string[] } = {},
): AlertSender {
  let settings = loadMonitor(ctx.projectDir);
  let wrong = "";
  const watched = (): Watched => ({
    ctx,
    state,
    settings: read(),
    project: project.name,
    target: folders.target,
  });
  const read = (): MonitorSettings => {
    try {
      settings = loadMonitor(ctx.projectDir);
      wrong = "";
    } catch (error) {
      const text = projectErrorsOf(error)
        .map(({ where, message }) => `${where ?? ""} ${message}`)
        .join("; ");
      if (text !== wrong) ctx.log.warn("monitor_failed", `the former settings of the monitor hold: ${text}`);
      wrong = text;
    }
    return settings;
  };
  let work: Promise<void> = Promise.resolve();
  const then = (next: () => Promise<unknown>) => {
    work = work.then(next).then(
      () => undefined,
      (error: unknown) => ctx.log.warn("monitor_failed", messageOf(error)),
    );
  };
  const failing = new Map<string, string>();
  let isSending = false;
  let agesAt = 0;
  const tick = () => {
    if (isSending) return;
    isSending = true;
    then(async () => {
      try {
        const now = ctx.clock.now().getTime();
        if (now - agesAt >= AGES_MS) {
          agesAt = now;
          await watchAges(watched());
          await closeGoneJobs(watched(), jobs());
        }
        tellChannels(ctx, (await deliverDue(ctx, state, settings)).channels, failing);
      } finally {
        isSending = false;
      }
    });
  };
  const timer = setInterval(tick, everyMs);
  return {
    jobEnded: (run) => then(() => watchJob(watched(), run)),
    stop: async () => {
      clearInterval(timer);
      await work;
    },
  };
}

/** Ends incidents of jobs that are defined no longer: they never end well again. None are known while nothing was read. */
async function closeGoneJobs(watched: Watched, jobs: readonly string[]): Promise<void> {
  if (jobs.length === 0) return;
  const rows = await watched.state
    .selectFrom("incident_parts")
    .innerJoin("incidents", "incidents.id", "incident_parts.incident_id")
    .select("key")
    .where("status", "=", "open")
    .where("is_bad", "=", 1)
    .where("key", "like", jobKey("%"))
    .execute();
  const known = new Set(jobs.map(jobKey));
  const good = rows.map(({ key }) => key).filter((key) => !known.has(key));
  await watchFindings(watched, { bad: [], good }, null);
}

/** Says once that a channel fails, and when it works again: whoever waits for its messages would not know. */
function tellChannels(
  { log }: Workspace["ctx"],
  tried: ReadonlyMap<string, string | null>,
  failing: Map<string, string>,
): void {
  for (const [channel, error] of tried) {
    if (error === null) {
      if (failing.delete(channel)) log.info("channel_works", `messages to ${channel} get through again`);
    } else if (failing.get(channel) !== error) {
      failing.set(channel, error);
      log.warn("channel_failing", `messages to ${channel} wait, see run alerts outbox: ${error}`);
    }
  }
}

/** Keeps what a job's run measured as a whole, and opens an incident where no command of it says what is wrong. */
async function watchJob(watched: Watched, run: RunRow): Promise<void> {
  if (run.job === null || run.started_at === null || run.ended_at === null) return;
  const { state } = watched;
  const isSuccess = run.status === "success";
  const at = new Date(run.ended_at);
  const labels = { command: `job ${run.job}` };
  const point = (name: string, value: number | null) => (value === null ? [] : [{ name, labels, value }]);
  await keepMetrics(state, {
    runId: run.id,
    at,
    points: [
      ...point("run_duration_seconds", (at.getTime() - Date.parse(run.started_at)) / 1000),
      ...point("run_cpu_seconds", run.cpu_seconds),
      ...point("run_peak_memory_bytes", run.peak_memory_bytes),
      ...point("run_failed", isSuccess ? 0 : 1),
      ...(isSuccess ? point("run_success_age_seconds", 0) : []),
    ],
  });
  await watchRun(watched, {
    command: labels.command,
    isSuccess: true, // Told below, with the job's own words.
    summary: "",
    nodes: [],
    id: run.id,
    measuredAt: at,
  });
  if (run.status === "cancelled" || run.status === "interrupted") return;
  if (isSuccess) return watchFindings(watched, { bad: [], good: [jobKey(run.job)] }, run.id);
  const told = await state
    .selectFrom("runs")
    .select("id")
    .where("parent_id", "=", run.id)
    .where("status", "=", "failed")
    .executeTakeFirst();
  if (told !== undefined) return;
  const bad = [findingOfJob(run.job, run.status, run.reason)];
  await watchFindings(watched, { bad, good: [] }, run.id);
}
