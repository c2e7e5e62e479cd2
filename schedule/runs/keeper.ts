import type { Context } from "../../core/context.ts";
import { isAlive, processUsage } from "../../core/processes.ts";
import type { RunRow, StateDatabase, StepRow } from "../../state/database.ts";
import { logFile } from "../../state/retention.ts";
import type { Job } from "../jobs/job.ts";
import {
  type ActiveRun,
  endOf,
  firstSteps,
  hopelessSteps,
  isOpen,
  nextAttempt,
  readySteps,
  type Stop,
  saveSteps,
  usageOf,
} from "./active-run.ts";
import { type Changes, short } from "./admit.ts";
import { type ChildEnd, capLog, findChild, signalTree, startChild, sweepRun } from "./child.ts";

/** How long a command that was asked to end may take. */
export const GRACE_TO_END_MS = 5000;
/** How often processes are looked at. */
const LOOK_MS = 1000;

export interface KeeperOptions {
  ctx: Context;
  state: StateDatabase;
  logs: string;
  /** The program that runs commands, and what comes before their words. */
  program: readonly string[];
  /** Options that every command gets, such as `--target`. */
  extraWords: (words: readonly string[]) => readonly string[];
  /** Of each log, at most. */
  logBytes: () => number;
  /** Called when a process has ended, so that the next round comes at once. */
  wake: () => void;
  /** After the transaction that begins a run. */
  onBegun: (run: RunRow) => void;
  /** In the transaction that ends a run. */
  onEnding: (changes: Changes, run: RunRow) => Promise<void>;
  /** After it. */
  onEnded: (run: RunRow) => void;
}

/** Starts, follows and ends the runs that go on. */
export interface Keeper {
  active: ReadonlyMap<string, ActiveRun>;
  start(runs: readonly { row: RunRow; job: Job }[]): Promise<void>;
  /** Goes on with runs that a former scheduler left open. */
  takeOver(jobs: ReadonlyMap<string, Job>): Promise<void>;
  /** Does what there is to do; true when a run has ended. */
  round(): Promise<boolean>;
  stop(run: ActiveRun, stop: Stop): void;
  /** When something is to be done without anything happening; null when nothing is. */
  nextMs(): number | null;
}

interface StepEnd extends ChildEnd {
  runId: string;
  place: number;
  attempt: number;
}

interface KeeperState extends KeeperOptions {
  active: Map<string, ActiveRun>;
  ends: StepEnd[];
  /** Runs of which something may have changed. */
  touched: Set<ActiveRun>;
  lookedAt: number;
}

export function createKeeper(options: KeeperOptions): Keeper {
  const keeper: KeeperState = { ...options, active: new Map(), ends: [], touched: new Set(), lookedAt: 0 };
  return {
    active: keeper.active,
    start: (runs) => startRuns(keeper, runs),
    takeOver: (jobs) => takeOver(keeper, jobs),
    round: () => round(keeper),
    stop: (run, stop) => stopRun(keeper, run, stop),
    nextMs: () => nextMs(keeper),
  };
}

async function startRuns(keeper: KeeperState, runs: readonly { row: RunRow; job: Job }[]): Promise<void> {
  if (runs.length === 0) return;
  const { ctx, state, active, touched } = keeper;
  const now = ctx.clock.now().toISOString();
  const begun = await state.transaction().execute(async (changes) => {
    const admitted: ActiveRun[] = [];
    for (const { row, job } of runs) {
      const facts = { status: "running", started_at: now, pid: process.pid } as const;
      const { numUpdatedRows } = await changes
        .updateTable("runs")
        .set(facts)
        .where("id", "=", row.id)
        .where("status", "=", "queued")
        .executeTakeFirst();
      // Somebody cancelled it meanwhile.
      if (numUpdatedRows === 0n) continue;
      const steps = firstSteps(row.id, job);
      if (steps.length > 0) await changes.insertInto("run_steps").values(steps).execute();
      admitted.push({ row: { ...row, ...facts }, job, steps, children: new Map(), stop: null });
    }
    return admitted;
  });
  for (const run of begun) {
    active.set(run.row.id, run);
    touched.add(run);
    keeper.onBegun(run.row);
  }
}

/** A step that was started and whose process lives is followed; one whose process is gone has crashed, or told its own end. */
async function takeOver(keeper: KeeperState, jobs: ReadonlyMap<string, Job>): Promise<void> {
  const { state, ctx, active, touched } = keeper;
  const rows = await state
    .selectFrom("runs")
    .selectAll()
    .where("status", "=", "running")
    .where("command", "=", "job")
    .execute();
  for (const row of rows) {
    const steps = await lastAttempts(state, row.id);
    const job = jobs.get(row.job ?? "") ?? goneJob(row, steps);
    const run: ActiveRun = { row, job, steps, children: new Map(), stop: null };
    active.set(row.id, run);
    touched.add(run);
    for (const step of steps.filter(({ status }) => status === "starting" || status === "running")) {
      const known = step.pid === null ? null : { pid: step.pid, start: step.process_start };
      const identity = known !== null && isAlive(known) ? known : findChild(row.id, step.name);
      if (identity === null) await endLostStep(keeper, run, step);
      else {
        Object.assign(step, { status: "running", pid: identity.pid, process_start: identity.start });
        run.children.set(step.place, { identity, isOwn: false, askedAt: null });
        await saveSteps(state, [step]);
        ctx.log.info(
          "run_taken_over",
          `run ${short(row.id)} of ${row.job} goes on: step ${step.name} lives (pid ${identity.pid})`,
        );
      }
    }
  }
}

async function lastAttempts(state: StateDatabase, runId: string): Promise<StepRow[]> {
  const attempts = await state
    .selectFrom("run_steps")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("place")
    .orderBy("attempt")
    .execute();
  return attempts.filter(({ place }, index) => attempts[index + 1]?.place !== place);
}

/** What is left of a job whose definition is gone: its steps go on as they were written down. */
function goneJob({ job }: RunRow, steps: readonly StepRow[]): Job {
  return {
    name: job ?? "",
    description: null,
    timing: null,
    timezone: "UTC",
    isEnabled: false,
    after: [],
    fresher: [],
    steps: steps.map(({ name }) => ({ name, command: [], needs: [] })),
    retries: 0,
    retryDelaysMs: [0],
    timeoutMs: null,
    overlap: "skip",
    catchUp: { runs: "none", withinMs: null },
    concurrency: 1,
    env: {},
  };
}

/** A command tells its own end in the history, also when no scheduler was there to see it. */
async function endLostStep(keeper: KeeperState, run: ActiveRun, step: StepRow): Promise<void> {
  const told = await commandOf(keeper, step);
  const isTold = told?.exit_code != null;
  const reason = "the scheduler that started it was gone, and its end was not seen";
  await endStep(
    keeper,
    run,
    step,
    isTold ? { exitCode: told.exit_code, signal: null } : { exitCode: null, signal: null, problem: reason },
  );
}

/** The run that the command of a step wrote down by itself. */
async function commandOf({ state }: KeeperState, step: StepRow): Promise<RunRow | undefined> {
  return state
    .selectFrom("runs")
    .selectAll()
    .where("parent_id", "=", step.run_id)
    .where("step", "=", step.name)
    .where("queued_at", ">=", step.started_at ?? "")
    .orderBy("queued_at", "desc")
    .executeTakeFirst();
}

async function round(keeper: KeeperState): Promise<boolean> {
  const { ctx, active, ends, touched } = keeper;
  for (const end of ends.splice(0)) {
    const run = active.get(end.runId);
    const step = run?.steps[end.place];
    if (run === undefined || step?.attempt !== end.attempt || !isOpen(step)) continue;
    await endStep(keeper, run, step, end);
  }
  const now = ctx.clock.now();
  if (Math.abs(now.getTime() - keeper.lookedAt) >= LOOK_MS) await lookAtAll(keeper, now);
  let hasEnded = false;
  for (const run of [...touched]) {
    touched.delete(run);
    hasEnded = (await advance(keeper, run)) || hasEnded;
  }
  return hasEnded;
}

/** Starts what may begin, and ends the run when nothing is left. True when it has ended. */
async function advance(keeper: KeeperState, run: ActiveRun): Promise<boolean> {
  const { ctx, state } = keeper;
  const now = ctx.clock.now();
  for (let hopeless = hopelessSteps(run); hopeless.length > 0; hopeless = hopelessSteps(run)) {
    for (const { step, reason } of hopeless)
      Object.assign(step, { status: "skipped", reason, ended_at: now.toISOString() });
    await saveSteps(
      state,
      hopeless.map(({ step }) => step),
    );
  }
  for (const step of readySteps(run, now)) await startStep(keeper, run, step);
  if (run.steps.some(isOpen)) return false;
  await endRun(keeper, run);
  return true;
}

async function startStep(keeper: KeeperState, run: ActiveRun, step: StepRow): Promise<void> {
  const { ctx, state, ends, wake } = keeper;
  const words = JSON.parse(step.command) as string[]; // written by `firstSteps`
  Object.assign(step, { status: "starting", started_at: ctx.clock.now().toISOString() });
  // Before the process: whoever finds this row without a process knows that it may have run.
  await saveSteps(state, [step]);
  const { run_id: runId, place, attempt } = step;
  const command = [...words, ...keeper.extraWords(words)];
  const head = `== ${step.name}${attempt > 1 ? `, attempt ${attempt}` : ""}: run ${words.join(" ")}`;
  const child = startChild(
    {
      program: keeper.program,
      words: command,
      cwd: ctx.projectDir,
      env: { ...ctx.env, ...run.job.env },
      runId,
      step: step.name,
      logFile: logFile(keeper.logs, runId),
      logBytes: keeper.logBytes(),
      head,
    },
    (end) => {
      ends.push({ ...end, runId, place, attempt });
      wake();
    },
  );
  if (child === undefined) return;
  run.children.set(place, { identity: child, isOwn: true, askedAt: null });
  Object.assign(step, { status: "running", pid: child.pid, process_start: child.start });
  await saveSteps(state, [step]);
}

async function endStep(keeper: KeeperState, run: ActiveRun, step: StepRow, end: ChildEnd): Promise<void> {
  const { ctx, state } = keeper;
  const now = ctx.clock.now();
  const told = await commandOf(keeper, step);
  const { exitCode, signal, problem } = end;
  run.children.delete(step.place);
  Object.assign(step, {
    ...statusOf(run, end, told === undefined ? null : ((await failedNodes(state, told.id)) ?? told.summary)),
    exit_code: exitCode,
    signal,
    ended_at: now.toISOString(),
    cpu_seconds: most(step.cpu_seconds, told?.cpu_seconds),
    peak_memory_bytes: most(step.peak_memory_bytes, told?.peak_memory_bytes),
  });
  // What it has started does not go on without it.
  if (signal !== null || problem !== undefined || run.stop !== null) sweepStep(run, step);
  const again = step.status === "success" ? null : nextAttempt(run, step, now);
  await state.transaction().execute(async (changes) => {
    await saveSteps(changes, [step]);
    if (told?.status === "running") await closeCommand(changes, told.id, step);
    if (again !== null) await changes.insertInto("run_steps").values(again).execute();
  });
  if (again !== null) run.steps[step.place] = again;
  keeper.touched.add(run);
}

const MAX_NAMED = 3;

/** What broke in a command, by name: `model dim_users, test too_many`; null when nothing of it did. */
async function failedNodes(state: StateDatabase, runId: string): Promise<string | null> {
  const nodes = await state
    .selectFrom("run_nodes")
    .select(["kind", "node"])
    .where("run_id", "=", runId)
    .where("status", "in", ["error", "fail", "failed", "partial success"])
    .orderBy("place")
    .execute();
  if (nodes.length === 0) return null;
  const names = nodes.slice(0, MAX_NAMED).map(({ kind, node }) => {
    const name = kind === "stream" ? node : (node.split(".")[2] ?? node);
    return `${kind.replace("_", " ")} ${name}`;
  });
  const more = nodes.length > MAX_NAMED ? ` and ${nodes.length - MAX_NAMED} more` : "";
  return `${names.join(", ")}${more}`;
}

/** A command that was killed could not write its end. */
async function closeCommand(
  changes: Changes,
  id: string,
  { signal, ended_at, reason }: StepRow,
): Promise<void> {
  await changes
    .updateTable("runs")
    .set({ status: "crashed", signal, ended_at, reason })
    .where("id", "=", id)
    .where("status", "=", "running")
    .execute();
}

/** Other steps of the run that go on have the same mark: they are left alone. */
function sweepStep(run: ActiveRun, { run_id }: StepRow): void {
  if (run.children.size === 0) sweepRun(run_id);
}

function statusOf(
  { stop }: ActiveRun,
  { exitCode, signal, problem }: ChildEnd,
  summary: string | null,
): Pick<StepRow, "status" | "reason"> {
  if (exitCode === 0) return { status: "success", reason: null };
  if (stop !== null) return stop;
  if (signal !== null)
    return { status: "crashed", reason: `ended by ${signal}${signal === "SIGKILL" ? KILLED : ""}` };
  if (exitCode !== null)
    return {
      status: exitCode > 128 ? "interrupted" : "failed",
      reason: `exit code ${exitCode}${summary === null ? "" : `: ${summary}`}`,
    };
  const isLost = problem?.includes("its end was not seen") ?? false;
  return { status: isLost ? "crashed" : "failed_to_start", reason: problem ?? null };
}

/** The kernel does not say for whom it was. */
const KILLED = ", by somebody or by the kernel for want of memory";

function most(a: number | null, b: number | null | undefined): number | null {
  return a === null ? (b ?? null) : Math.max(a, b ?? 0);
}

async function endRun(keeper: KeeperState, run: ActiveRun): Promise<void> {
  const { ctx, state, active } = keeper;
  const { status, exitCode, signal, reason, summary } = endOf(run);
  const attempts = run.steps.some(({ attempt }) => attempt > 1)
    ? await state.selectFrom("run_steps").selectAll().where("run_id", "=", run.row.id).execute()
    : run.steps;
  const ended_at = ctx.clock.now().toISOString();
  Object.assign(run.row, {
    status,
    exit_code: exitCode,
    signal,
    reason,
    summary,
    ended_at,
    ...usageOf(attempts),
  });
  const { id, ...facts } = run.row;
  await state.transaction().execute(async (changes) => {
    await changes.updateTable("runs").set(facts).where("id", "=", id).execute();
    await keeper.onEnding(changes, run.row);
  });
  active.delete(id);
  keeper.onEnded(run.row);
}

/** Use of processor and memory, time limits, logs, and processes whose end nobody tells. */
async function lookAtAll(keeper: KeeperState, now: Date): Promise<void> {
  keeper.lookedAt = now.getTime();
  for (const run of keeper.active.values()) {
    const { row, job, stop } = run;
    const startedMs = Date.parse(row.started_at ?? "");
    if (stop === null && job.timeoutMs !== null && now.getTime() - startedMs > job.timeoutMs)
      stopRun(keeper, run, {
        status: "timed_out",
        reason: `longer than its limit of ${job.timeoutMs / 1000} s`,
      });
    if (run.children.size > 0) capLog(logFile(keeper.logs, row.id), keeper.logBytes());
    for (const [place, child] of run.children) await lookAt(keeper, run, { place, child, now });
    if (run.steps.some(({ not_before }) => not_before !== null)) keeper.touched.add(run);
  }
}

async function lookAt(
  keeper: KeeperState,
  run: ActiveRun,
  {
    place,
    child,
    now,
  }: { place: number; child: ActiveRun["children"] extends Map<number, infer C> ? C : never; now: Date },
): Promise<void> {
  const step = run.steps[place];
  if (step === undefined) return;
  const usage = processUsage(child.identity.pid);
  if (usage !== undefined && isAlive(child.identity)) {
    step.cpu_seconds = most(step.cpu_seconds, usage.cpuSeconds);
    step.peak_memory_bytes = most(step.peak_memory_bytes, usage.peakMemoryBytes);
  }
  if (!child.isOwn && !isAlive(child.identity)) await endLostStep(keeper, run, step);
  else if (child.askedAt !== null && now.getTime() - child.askedAt > GRACE_TO_END_MS) {
    signalTree(child.identity, "SIGKILL");
    sweepRun(run.row.id);
  }
}

function stopRun(keeper: KeeperState, run: ActiveRun, stop: Stop): void {
  if (run.stop !== null) return;
  run.stop = stop;
  keeper.touched.add(run);
  const askedAt = keeper.ctx.clock.now().getTime();
  for (const child of run.children.values()) {
    child.askedAt = askedAt;
    signalTree(child.identity, "SIGTERM");
  }
}

function nextMs({ ctx, active, ends, touched }: KeeperState): number | null {
  if (ends.length > 0 || touched.size > 0) return 0;
  if (active.size === 0) return null;
  const now = ctx.clock.now().getTime();
  const waits = [...active.values()].flatMap(({ steps }) =>
    steps.flatMap(({ status, not_before }) =>
      status === "pending" && not_before !== null ? [Math.max(Date.parse(not_before) - now, 0)] : [],
    ),
  );
  return Math.min(LOOK_MS, ...waits);
}
