import type { Command } from "commander";
import { environmentValue } from "../../core/config.ts";
import { EXIT } from "../../core/errors.ts";
import { TOKEN_VARIABLES } from "../../core/run-environment.ts";
import { prometheusText } from "../../monitor/prometheus/exposition.ts";
import { loadMonitor } from "../../monitor/settings.ts";
import type { Schedule } from "../../schedule/jobs/job.ts";
import { createScheduler, type Scheduler } from "../../schedule/scheduler.ts";
import { openState, type RunRow } from "../../state/database.ts";
import { acquireLeadership } from "../../state/lock.ts";
import { listSeries } from "../../state/metrics.ts";
import type { ServedLog } from "../../web/served.ts";
import { isLoopback, startServer } from "../../web/server.ts";
import { createServingListener } from "../../web/serving/server.ts";
import { startAlertSender } from "../alert-sender.ts";
import { commandCheck } from "../check-command.ts";
import { packageVersion } from "../invocation.ts";
import { startLineageSender } from "../lineage-sender.ts";
import { logPart, logTail } from "../log-files.ts";
import type { Outcome } from "../outcome.ts";
import { plural } from "../print.ts";
import { readSchedule } from "../read-schedule.ts";
import { API_URL, PROGRAM, startStandIn } from "../stand-in.ts";
import type { Terminal } from "../terminal.ts";
import { followFiles, marksOf, watchStore } from "../up-files.ts";
import { ownerOf, patienceOf, type Workspace, withEnvironment } from "../workspace.ts";
import { faultTeller, openRecommender, servingAccess } from "./serve.ts";

export interface UpOptions {
  port: number;
  host: string;
  demo?: boolean;
}

/** `run up`: the scheduler and its server, until a signal: exit 0, unless it cut off what was running. */
export async function runUp(
  given: Workspace,
  terminal: Terminal,
  { options, program }: { options: UpOptions; program: Command },
): Promise<Outcome> {
  const closers: Closer[] = [];
  try {
    const up = await startAll(given, { options, program, closers });
    terminal.stdout.write(`${up.url}\n`);
    tellStart(up.workspace, up.schedule);
    await up.scheduler.run();
    if (up.gone.signal.aborted) throw up.gone.signal.reason;
    return { exitCode: EXIT.ok, summary: "stopped", text: "", json: {}, isServed: !up.isCut() };
  } finally {
    await closeAll(closers);
  }
}

/** Ends a part. */
type Closer = () => unknown;

/** The parts that were started last end first; one that fails to holds up no other. */
async function closeAll(closers: readonly Closer[]): Promise<void> {
  const ends: PromiseSettledResult<unknown>[] = [];
  for (const close of [...closers].reverse())
    ends.push(...(await Promise.allSettled([(async () => close())()])));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}

interface Up {
  url: string;
  workspace: Workspace;
  schedule: Schedule;
  scheduler: Scheduler;
  /** Whether the signal ended something that was running. */
  isCut: () => boolean;
  /** Aborted when the store is not there any more. */
  gone: AbortController;
}

/** Starts every part, each with its closer, so that those are ended also when a later one cannot be started. */
async function startAll(
  given: Workspace,
  { options, program, closers }: { options: UpOptions; program: Command; closers: Closer[] },
): Promise<Up> {
  const { ctx, folders } = given;
  const check = commandCheck(program);
  // Before they are read: what is saved from now on counts.
  const marks = marksOf(ctx.projectDir);
  const schedule = await readSchedule(ctx, check);
  loadMonitor(ctx.projectDir);
  const lock = await acquireLeadership(ctx, folders.leaderFile, "run up");
  closers.push(() => lock.release());
  const state = openState(folders.stateFile, ownerOf(given), patienceOf(ctx, Number.POSITIVE_INFINITY));
  closers.push(() => state.destroy());
  const gone = new AbortController();
  const looks = watchStore(folders.stateFile, gone);
  closers.push(() => clearInterval(looks));
  const watched = { ...given, ctx: { ...ctx, signal: AbortSignal.any([ctx.signal, gone.signal]) } };
  const standIn = options.demo ? await startStandIn(watched) : undefined;
  closers.push(() => standIn?.stop());
  const workspace = standIn === undefined ? watched : withEnvironment(watched, { [API_URL]: standIn.url });
  const lineage = await startLineageSender(workspace, state);
  closers.push(() => lineage.stop());
  const alerts = startAlertSender(workspace, state, {
    jobs: () => scheduler.jobs().map(({ name }) => name),
  });
  closers.push(() => alerts.stop());
  let isCut = false;
  const scheduler = createScheduler({
    ctx: workspace.ctx,
    state,
    schedule,
    logs: folders.logs,
    program: PROGRAM,
    extraWords: () => sharedOptions(workspace),
    onRunBegun: (run) => lineage.tell(run),
    onRunEnded: (run) => {
      lineage.tell(run);
      if (ctx.signal.aborted && run.status !== "success") isCut = true;
      tellEnd(workspace, run);
      alerts.jobEnded(run);
    },
  });
  const problems: string[] = [];
  const url = await startWeb(workspace, { options, scheduler, problems, closers });
  const load = () => readSchedule(ctx, check);
  const saves = followFiles(workspace, { scheduler, problems, marks, load });
  closers.push(() => clearInterval(saves));
  return { url, workspace, schedule, scheduler, isCut: () => isCut, gone };
}

/** A caller who has to wait for longer than this asks again. */
const ANSWER_MS = 2000;

/** The server, with a way of its own to the store: it answers also while the scheduler waits for it. */
async function startWeb(
  workspace: Workspace,
  {
    options,
    scheduler,
    problems,
    closers,
  }: { options: UpOptions; scheduler: Scheduler; problems: readonly string[]; closers: Closer[] },
): Promise<string> {
  const { ctx, folders } = workspace;
  const state = openState(folders.stateFile, ownerOf(workspace), { maxMs: ANSWER_MS });
  closers.push(() => state.destroy());
  const recommender = await openRecommender(workspace, state);
  closers.push(() => recommender.close());
  const serving = createServingListener({
    version: packageVersion(),
    recommender,
    access: servingAccess(workspace, options.host),
    isStopping: () => ctx.signal.aborted,
    onFault: faultTeller(workspace),
  });
  const server = await startServer(
    {
      version: packageVersion(),
      state,
      access: accessOf(workspace, options.host),
      now: () => ctx.clock.now(),
      jobs: () => scheduler.jobs(),
      problems: () => problems,
      metrics: async () => prometheusText(await listSeries(state), ctx.clock.now()),
      log: servedLog(workspace),
      onChange: () => scheduler.wake(),
      onFault: faultTeller(workspace),
    },
    { ...options, serving },
  );
  closers.push(() => server.stop({ hasNotice: recommender.isReady() }));
  return server.url;
}

/** Steps work on the project as `run up` was told to. */
function sharedOptions({ options, target }: Workspace): string[] {
  return [
    ...(options.target === undefined ? [] : ["--target", options.target]),
    ...(options.profilesDir === undefined ? [] : ["--profiles-dir", target.profilesDir]),
    ...(options.vars === undefined ? [] : ["--vars", options.vars]),
  ];
}

function accessOf({ ctx }: Workspace, host: string) {
  const token = environmentValue(ctx.env, TOKEN_VARIABLES.full);
  const readToken = environmentValue(ctx.env, TOKEN_VARIABLES.read);
  for (const secret of [token, readToken]) if (secret !== undefined) ctx.secrets.add(secret);
  return { token, readToken, isLoopback: isLoopback(host), now: () => ctx.clock.now() };
}

function servedLog({ ctx, folders: { logs } }: Workspace): ServedLog {
  const masked = (lines: string[]) => lines.map((line) => ctx.secrets.mask(line));
  return {
    tail: (id) => masked(logTail(logs, id)),
    part: (id, from) => {
      const part = logPart(logs, id, from);
      return { ...part, lines: masked(part.lines) };
    },
  };
}

function tellStart({ ctx }: Workspace, { jobs }: Schedule): void {
  const timed = jobs.filter(({ timing, isEnabled }) => timing !== null && isEnabled).length;
  ctx.log.info(
    "scheduler_started",
    `${plural(jobs.length, "job")}, ${timed} on a schedule; Ctrl-C stops it and what it runs`,
  );
}

function tellEnd({ ctx }: Workspace, run: RunRow): void {
  if (run.job === null) return;
  const text = `${run.job} ${run.status.replaceAll("_", " ")} (run ${run.id.slice(0, 8)})${run.reason === null ? "" : `: ${run.reason}`}`;
  const say = run.status === "success" ? ctx.log.info : ctx.log.warn;
  say("job_ended", text, { job: run.job, run: run.id, status: run.status });
}
