import type { Command } from "commander";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { dueMoments } from "../../schedule/due/due.ts";
import { type ListedJob, listJobs, localTime } from "../../schedule/job-list.ts";
import type { Job } from "../../schedule/jobs/job.ts";
import { cancelRun, setPaused, triggerJob } from "../../schedule/runs/admit.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { lockHolder } from "../../state/lock.ts";
import { runJson } from "../../state/run-json.ts";
import { listRuns } from "../../state/runs.ts";
import { commandCheck } from "../check-command.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable } from "../print.ts";
import { readSchedule } from "../read-schedule.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";
import { formatRuns, oneRun } from "./history.ts";

async function withState(
  workspace: Workspace,
  work: (state: StateDatabase) => Promise<Outcome>,
): Promise<Outcome> {
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    return await work(state);
  } finally {
    await state.destroy();
  }
}

/** `run job ls`. */
export async function runJobLs(
  workspace: Workspace,
  { colors }: Terminal,
  program: Command,
): Promise<Outcome> {
  const { ctx, folders } = workspace;
  const { jobs } = await readSchedule(ctx, commandCheck(program));
  return withState(workspace, async (state) => {
    const listed = await listJobs(state, jobs, ctx.clock.now());
    const holder = lockHolder(folders.leaderFile);
    const rows = listed.map(({ job, isPaused, nextDue, lastRun, missed }) => [
      job.name,
      timingText(job),
      isPaused
        ? "paused"
        : job.isEnabled
          ? nextDue === null
            ? "–"
            : localTime(nextDue, job.timezone)
          : "not enabled",
      lastRun === null ? "–" : lastRun.status.replaceAll("_", " "),
      lastRun === null ? "–" : lastRun.id.slice(0, 8),
      String(missed),
    ]);
    const table = formatTable(["job", "when", "next", "last run", "id", "missed"], rows, colors);
    const leader = holder === undefined ? "no scheduler runs: start one with run up" : `scheduler: ${holder}`;
    return {
      exitCode: EXIT.ok,
      summary: `${jobs.length} jobs`,
      text: jobs.length === 0 ? "no jobs: write them in project.yml under jobs:" : `${table}\n\n${leader}`,
      json: { jobs: listed.map(jobJson), scheduler: holder ?? null },
    };
  });
}

function timingText({ timing, after, fresher }: Job): string {
  const parts = [
    ...(timing === null ? [] : ["cron" in timing ? timing.cron : `every ${timing.everyMs / 1000} s`]),
    ...after.map(({ job }) => `after ${job}`),
    ...fresher.map((source) => `fresher ${source}`),
  ];
  return parts.length === 0 ? "by hand" : parts.join(", ");
}

function jobJson({ job, isPaused, nextDue, lastRun, missed }: ListedJob) {
  return {
    ...job,
    is_paused: isPaused,
    next_due_at: nextDue?.toISOString() ?? null,
    last_run: lastRun === null ? null : runJson(lastRun),
    missed,
  };
}

export type JobAction = "show" | "trigger" | "pause" | "resume" | "cancel";

/** `run job show`, `trigger`, `pause`, `resume` and `cancel`. Throws JOB_UNKNOWN, RUN_UNKNOWN (exit 2). */
export async function runJobAction(
  workspace: Workspace,
  terminal: Terminal,
  { action, name, program }: { action: JobAction; name: string; program: Command },
): Promise<Outcome> {
  const { ctx } = workspace;
  const { jobs } = await readSchedule(ctx, commandCheck(program));
  return withState(workspace, async (state) => {
    const job = jobs.find((one) => one.name === name);
    if (action === "cancel") return cancel(workspace, state, name);
    if (job === undefined) throw jobUnknown(name, jobs);
    if (action === "show") return show(workspace, state, { job, terminal });
    if (action === "trigger") return trigger(workspace, state, job);
    await setPaused(state, { name, isPaused: action === "pause", now: ctx.clock.now() });
    const text = action === "pause" ? `${name} is paused` : `${name} is run when it is due`;
    return { exitCode: EXIT.ok, summary: text, text, json: { job: name, is_paused: action === "pause" } };
  });
}

function jobUnknown(name: string, jobs: readonly Job[]): ProjectError {
  return new ProjectError("JOB_UNKNOWN", {
    message: `no job is called "${name}"`,
    where: "run job NAME",
    why: nearestLine(
      name,
      jobs.map((job) => job.name),
    ),
    hint: "run job ls lists the jobs; project.yml and schedule.yml define them",
    exitCode: EXIT.usage,
  });
}

const SHOWN_MOMENTS = 5;

async function show(
  { ctx }: Workspace,
  state: StateDatabase,
  { job, terminal: { colors } }: { job: Job; terminal: Terminal },
): Promise<Outcome> {
  const [listed] = await listJobs(state, [job], ctx.clock.now());
  const moments: Date[] = [];
  if (job.timing !== null) {
    const next = dueMoments(job.timing);
    for (let due = next(ctx.clock.now()); due !== null && moments.length < SHOWN_MOMENTS; due = next(due))
      moments.push(due);
  }
  const runs = await listRuns(state, SHOWN_MOMENTS, { job: job.name });
  const steps = job.steps.map(({ name, command, needs }) => [
    name,
    `run ${command.join(" ")}`,
    needs.join(", "),
  ]);
  const due = moments.map((moment) => `  ${localTime(moment, job.timezone)}`).join("\n");
  return {
    exitCode: EXIT.ok,
    summary: job.name,
    text: [
      `${colors.bold(job.name)}  ${timingText(job)}${job.description === null ? "" : `\n${job.description}`}`,
      formatTable(["step", "command", "needs"], steps, colors),
      ...(moments.length === 0 ? [] : [`${colors.bold("Due")} (${job.timezone})\n${due}`]),
      ...(runs.length === 0 ? [] : [formatRuns(runs, colors)]),
    ].join("\n\n"),
    json: {
      job: listed === undefined ? null : jobJson(listed),
      due: moments.map((moment) => moment.toISOString()),
      runs: runs.map(runJson),
    },
  };
}

async function trigger({ ctx, folders }: Workspace, state: StateDatabase, job: Job): Promise<Outcome> {
  const run = await triggerJob(state, job, { trigger: "hand", now: ctx.clock.now() });
  const isLed = lockHolder(folders.leaderFile) !== undefined;
  const waiting = isLed ? "" : "; no scheduler runs: run up starts it";
  const what = run.status === "queued" ? "is queued" : `was skipped: ${run.reason}`;
  const text = `run ${run.id.slice(0, 8)} of ${job.name} ${what}${run.status === "queued" ? waiting : ""}`;
  return {
    exitCode: run.status === "queued" ? EXIT.ok : EXIT.failed,
    summary: text,
    text,
    json: { run: runJson(run), scheduler_runs: isLed },
  };
}

/** The run of a job that goes on, or else waits; or the run of this id. */
async function cancel({ ctx }: Workspace, state: StateDatabase, name: string): Promise<Outcome> {
  const [going] = await listRuns(state, 1, { job: name, status: "running" });
  const [waiting] = await listRuns(state, 1, { job: name, status: "queued" });
  const run = going ?? waiting ?? (await oneRun(state, name, "run job cancel NAME"));
  const status = await cancelRun(state, run.id, ctx.clock.now());
  const short = run.id.slice(0, 8);
  const text =
    {
      running: `run ${short} is asked to end`,
      cancelled: `run ${short} is cancelled`,
    }[status as "running" | "cancelled"] ?? `run ${short} has ended already`;
  return { exitCode: EXIT.ok, summary: text, text, json: { run_id: run.id, status: status ?? run.status } };
}
