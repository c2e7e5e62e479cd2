import { sql } from "kysely";
import type { Context } from "../core/context.ts";
import type { JobRow, RunRow, StateDatabase } from "../state/database.ts";
import { pruneRuns } from "../state/retention.ts";
import { closeCrashedRuns, JOB_COMMAND } from "../state/runs.ts";
import { planDue } from "./due/catch-up.ts";
import { type CronSlot, dueBetween, dueMoments, type NextDue } from "./due/due.ts";
import type { Job, Schedule } from "./jobs/job.ts";
import { admitRun, type Changes, insertRuns, openRuns, rememberJobs, runRow } from "./runs/admit.ts";
import { createKeeper, type Keeper } from "./runs/keeper.ts";

export interface SchedulerOptions {
  ctx: Context;
  state: StateDatabase;
  schedule: Schedule;
  /** The folder of the logs. */
  logs: string;
  /** The program that runs a step's words, such as `["node", "main.js"]`. */
  program: readonly string[];
  /** Options that the words of every step get. */
  extraWords?: (words: readonly string[]) => readonly string[];
  /** Called once for every run of a job that has begun. */
  onRunBegun?: (run: RunRow) => void;
  /** Called once for every run that has ended: of a job, or typed by hand beside the scheduler. */
  onRunEnded?: (run: RunRow) => void;
}

/** Starts jobs when they are due, and says what became of them. One of them leads a project at a time. */
export interface Scheduler {
  /** Takes over what a former scheduler left, then works until the context's signal, and ends what runs. */
  run(): Promise<void>;
  /** One round: all that is due by the clock. Returns milliseconds until the next one is needed at the latest. */
  round(): Promise<number>;
  /** What `run` begins with. */
  begin(): Promise<void>;
  /** Other definitions from now on. Runs that go on keep theirs. */
  follow(schedule: Schedule): Promise<void>;
  /** The next due moment of each job that has one. */
  nextDue(): Map<string, Date>;
  jobs(): readonly Job[];
  /** The store was written to by this process: the next round comes at once and looks at it. */
  wake(): void;
}

/** Changes of other processes are noticed within this time. */
const WATCH_MS = 500;
const PRUNE_MS = 3_600_000;

interface Watched {
  job: Job;
  next: NextDue;
  due: Date | null;
  isPaused: boolean;
}

interface State extends SchedulerOptions {
  watched: Map<string, Watched>;
  jobs: Map<string, Job>;
  keeper: Keeper;
  /** The number that SQLite changes when another process has written. */
  version: number;
  /** Whether something may wait for a free place. */
  hasQueue: boolean;
  /** Commands that ended up to here were told, ISO, UTC. */
  toldUntil: string;
  /** Ids of those that ended shortly before. */
  told: Set<string>;
  prunedAt: number;
  wake: () => void;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const wakeUp = { now: () => {} };
  let isWoken = false;
  const wake = () => {
    isWoken = true;
    wakeUp.now();
  };
  const scheduler: State = {
    ...options,
    watched: new Map(),
    jobs: new Map(),
    version: -1,
    hasQueue: true,
    toldUntil: options.ctx.clock.now().toISOString(),
    told: new Set(),
    prunedAt: 0,
    wake,
    keeper: createKeeper({
      ctx: options.ctx,
      state: options.state,
      logs: options.logs,
      program: options.program,
      extraWords: options.extraWords ?? (() => []),
      logBytes: () => Math.floor(scheduler.schedule.settings.log_mb * 1024 * 1024),
      wake,
      onEnding: (changes, run) => admitFollowers(scheduler, changes, run),
      onBegun: (run) => options.onRunBegun?.(run),
      onEnded: (run) => options.onRunEnded?.(run),
    }),
  };
  const wait = async (ms: number) => {
    if (isWoken || ms <= 0) return;
    const controller = new AbortController();
    wakeUp.now = () => controller.abort();
    await options.ctx.clock.sleep(ms, controller.signal).catch(() => undefined); // Woken.
    wakeUp.now = () => {};
  };
  return {
    begin: () => begin(scheduler),
    round: () => round(scheduler),
    follow: (schedule) => follow(scheduler, schedule),
    nextDue: () =>
      new Map(
        [...scheduler.watched].flatMap(([name, { due }]) => (due === null ? [] : [[name, due] as const])),
      ),
    jobs: () => [...scheduler.jobs.values()],
    wake: () => {
      // What this process itself wrote does not change SQLite's number.
      scheduler.version = -1;
      wake();
    },
    run: async () => {
      const { signal } = options.ctx;
      signal.addEventListener("abort", wake, { once: true });
      await begin(scheduler);
      while (!signal.aborted) {
        isWoken = false;
        await wait(await round(scheduler));
      }
      await endAll(scheduler, async (ms) => {
        isWoken = false;
        await wait(ms);
      });
    },
  };
}

async function begin(scheduler: State): Promise<void> {
  const { schedule, state, ctx, logs } = scheduler;
  await closeCrashedRuns(state, { logs, now: ctx.clock.now() });
  await follow(scheduler, schedule);
  // Loads that ended while no scheduler was there count as well.
  const { last } = await state
    .selectFrom("jobs")
    .select((row) => row.fn.max("loads_until").as("last"))
    .executeTakeFirstOrThrow();
  scheduler.toldUntil = last ?? scheduler.toldUntil;
  await scheduler.keeper.takeOver(scheduler.jobs);
}

async function follow(scheduler: State, schedule: Schedule): Promise<void> {
  const { ctx, state, watched: former } = scheduler;
  const now = ctx.clock.now();
  const names = schedule.jobs.map(({ name }) => name);
  const rows = await state.transaction().execute(async (changes) => {
    await rememberJobs(changes, names, now);
    // What was not to run meanwhile was not missed.
    const idle = names.filter((name) => scheduler.jobs.has(name) && !former.has(name));
    if (idle.length > 0)
      await changes
        .updateTable("jobs")
        .set({ seen_until: now.toISOString() })
        .where("job", "in", idle)
        .execute();
    return changes.selectFrom("jobs").selectAll().execute();
  });
  scheduler.schedule = schedule;
  scheduler.jobs = new Map(schedule.jobs.map((job) => [job.name, job]));
  const known = new Map(rows.map((row) => [row.job, row]));
  const slot: CronSlot = {};
  scheduler.watched = new Map(
    schedule.jobs.flatMap((job) => watchedJob(job, known.get(job.name), { now, slot })),
  );
  scheduler.hasQueue = true;
}

function watchedJob(
  job: Job,
  row: JobRow | undefined,
  { now, slot }: { now: Date; slot: CronSlot },
): [string, Watched][] {
  if (job.timing === null || !job.isEnabled) return [];
  const next = dueMoments(job.timing, slot);
  const seenUntil = row === undefined ? now : new Date(row.seen_until);
  return [[job.name, { job, next, due: next(seenUntil), isPaused: row?.is_paused === 1 }]];
}

async function round(scheduler: State): Promise<number> {
  const { ctx, keeper } = scheduler;
  await noticeOthers(scheduler);
  await admitDue(scheduler, ctx.clock.now());
  do {
    if (scheduler.hasQueue) await startQueued(scheduler);
  } while (await endings(scheduler));
  await prune(scheduler, ctx.clock.now());
  const now = ctx.clock.now().getTime();
  let waitMs = Math.min(WATCH_MS, keeper.nextMs() ?? WATCH_MS);
  for (const { due } of scheduler.watched.values())
    if (due !== null && due.getTime() - now < waitMs) waitMs = due.getTime() - now;
  return Math.max(waitMs, 0);
}

async function endings(scheduler: State): Promise<boolean> {
  const hasEnded = await scheduler.keeper.round();
  if (hasEnded) scheduler.hasQueue = true;
  return hasEnded;
}

/** Writes down what is due: what waits to be run, what is skipped, what was missed. One transaction with how far that goes. */
async function admitDue(scheduler: State, now: Date): Promise<void> {
  const { state, watched } = scheduler;
  const due = [...watched.values()].filter((one) => one.due !== null && one.due <= now);
  if (due.length === 0) return;
  await state.transaction().execute(async (changes) => {
    for (const { job } of due)
      await changes
        .updateTable("jobs")
        .set({ seen_until: now.toISOString() })
        .where("job", "=", job.name)
        .execute();
    const open = await openRuns(changes);
    const rows: RunRow[] = [];
    for (const one of due) rows.push(...(await dueRows(changes, one, { now, open })));
    await insertRuns(changes, rows);
  });
  for (const one of due) one.due = one.next(now);
  scheduler.hasQueue = true;
}

async function dueRows(
  changes: Changes,
  { job, next, due, isPaused }: Watched,
  { now, open }: { now: Date; open: Awaited<ReturnType<typeof openRuns>> },
): Promise<RunRow[]> {
  const moments = due === null ? [] : [due, ...dueBetween(next, due, now)];
  const plan = planDue(job, moments, now);
  const own = open.get(job.name) ?? { running: [], queued: [] };
  open.set(job.name, own);
  const rows = plan.missed.map(({ due: moment, reason }) =>
    runRow(job, { trigger: "schedule", due: moment, now }, "missed", isPaused ? "the job is paused" : reason),
  );
  const wanted = [
    ...plan.caughtUp.map((moment) => ({ trigger: "catch_up" as const, due: moment })),
    ...plan.onTime.map((moment) => ({ trigger: "schedule" as const, due: moment })),
  ];
  for (const one of wanted) {
    const row = await admitRun(changes, job, { ...one, now, open: own, isPaused });
    // With `replace`, what waits within this very round makes room as well.
    if (row.status === "queued" && job.overlap === "replace" && one.trigger === "schedule")
      for (const other of rows.filter(({ status, trigger }) => status === "queued" && trigger === "schedule"))
        Object.assign(other, {
          status: "skipped",
          reason: "a later one took its place (overlap: replace)",
          ended_at: row.queued_at,
        });
    rows.push(row);
  }
  return rows;
}

/** Runs that were asked for when another one ended. */
async function admitFollowers(scheduler: State, changes: Changes, run: RunRow): Promise<void> {
  const { ctx, jobs } = scheduler;
  const outcome = run.status === "success" ? "success" : "failure";
  for (const job of jobs.values()) {
    const isAsked = job.after.some(
      ({ job: name, on }) => name === run.job && (on === "any" || on === outcome),
    );
    if (!isAsked || !job.isEnabled) continue;
    await admitCaused(scheduler, changes, { job, trigger: "job", cause: run.id, now: ctx.clock.now() });
  }
}

async function admitCaused(
  scheduler: State,
  changes: Changes,
  { job, ...wanted }: { job: Job; trigger: "job" | "source"; cause: string; now: Date },
): Promise<void> {
  const paused = await changes
    .selectFrom("jobs")
    .select("job")
    .where("job", "=", job.name)
    .where("is_paused", "=", 1)
    .executeTakeFirst();
  const open = (await openRuns(changes, job.name)).get(job.name) ?? { running: [], queued: [] };
  await insertRuns(changes, [
    await admitRun(changes, job, { ...wanted, open, isPaused: paused !== undefined }),
  ]);
  scheduler.hasQueue = true;
}

/** The oldest runs that wait are started while there are free places, one of a job at a time. */
async function startQueued(scheduler: State): Promise<void> {
  const { state, keeper, schedule, jobs, ctx } = scheduler;
  const free = schedule.settings.concurrency - keeper.active.size;
  if (free <= 0) return;
  const busy = new Set([...keeper.active.values()].map(({ row }) => row.job));
  const waiting = await state
    .selectFrom("runs")
    .selectAll()
    .where("status", "=", "queued")
    .where("command", "=", JOB_COMMAND)
    .orderBy((order) => order.fn.coalesce("due_at", "queued_at"))
    .orderBy("queued_at")
    .orderBy("id")
    .$if(busy.size > 0, (query) => query.where("job", "not in", [...busy]))
    .limit(QUEUE_AT_ONCE)
    .execute();
  const starts: { row: RunRow; job: Job }[] = [];
  for (const row of waiting) {
    const job = jobs.get(row.job ?? "");
    if (job === undefined) await skipGone(state, row, ctx.clock.now());
    else if (!busy.has(row.job) && starts.length < free) {
      starts.push({ row, job });
      busy.add(row.job);
    }
  }
  scheduler.hasQueue = waiting.length >= QUEUE_AT_ONCE || waiting.length > starts.length;
  await keeper.start(starts);
}

const QUEUE_AT_ONCE = 100;

async function skipGone(state: StateDatabase, { id, job }: RunRow, now: Date): Promise<void> {
  const reason = `no job is called "${job}" any longer`;
  await state
    .updateTable("runs")
    .set({ status: "skipped", reason, ended_at: now.toISOString() })
    .where("id", "=", id)
    .execute();
}

/** What other processes wrote: runs that are wanted or are to end, jobs that are paused, commands that ended. */
async function noticeOthers(scheduler: State): Promise<void> {
  const { state, keeper, watched } = scheduler;
  const { rows } = await sql<{ data_version: number }>`pragma data_version`.execute(state);
  const version = rows[0]?.data_version ?? 0;
  if (version === scheduler.version && keeper.active.size === 0) return;
  if (version !== scheduler.version) {
    scheduler.hasQueue = true;
    for (const row of await state.selectFrom("jobs").selectAll().execute()) {
      const one = watched.get(row.job);
      if (one !== undefined) one.isPaused = row.is_paused === 1;
    }
    await noticeCommands(scheduler);
    scheduler.version = version;
  }
  await stopCancelled(scheduler);
}

async function stopCancelled({ state, keeper }: State): Promise<void> {
  if (keeper.active.size === 0) return;
  const cancelled = await state
    .selectFrom("runs")
    .select(["id", "reason"])
    .where("status", "=", "running")
    .where("is_cancelled", "=", 1)
    .execute();
  for (const { id, reason } of cancelled) {
    const run = keeper.active.get(id);
    if (run !== undefined)
      keeper.stop(run, { status: "cancelled", reason: reason ?? "somebody cancelled it" });
  }
}

/** Commands may be written down in another order than that of their ends. */
const DISORDER_MS = 10_000;

/** Commands that ended: those typed by hand are told, and loads may make a source fresher. */
async function noticeCommands(scheduler: State): Promise<void> {
  const { state, jobs, onRunEnded, told } = scheduler;
  const since = new Date(Date.parse(scheduler.toldUntil) - DISORDER_MS).toISOString();
  const ended = await state
    .selectFrom("runs")
    .selectAll()
    .where("ended_at", ">", since)
    .where("command", "!=", JOB_COMMAND)
    .orderBy("ended_at")
    .execute();
  const fresher = [...jobs.values()].filter((job) => job.isEnabled && job.fresher.length > 0);
  for (const run of ended.filter(({ id }) => !told.has(id))) {
    await triggerBySources(scheduler, run, fresher);
    if (run.parent_id === null) onRunEnded?.(run);
  }
  scheduler.told = new Set(ended.map(({ id }) => id));
  scheduler.toldUntil = ended.at(-1)?.ended_at ?? scheduler.toldUntil;
  if (ended.length > 0 && fresher.length > 0)
    await state
      .updateTable("jobs")
      .set({ loads_until: scheduler.toldUntil })
      .where(
        "job",
        "in",
        fresher.map(({ name }) => name),
      )
      .execute();
}

async function triggerBySources(scheduler: State, run: RunRow, jobs: readonly Job[]): Promise<void> {
  if (jobs.length === 0) return;
  const { state, ctx } = scheduler;
  const streams = await state
    .selectFrom("run_nodes")
    .select("node")
    .where("run_id", "=", run.id)
    .where("kind", "=", "stream")
    .where("rows", ">", 0)
    .execute();
  const isFresher = (source: string) =>
    streams.some(({ node }) => node === source || node.startsWith(`${source}.`));
  for (const job of jobs.filter(({ fresher }) => fresher.some(isFresher)))
    await state.transaction().execute(async (changes) => {
      await rememberJobs(changes, [job.name], ctx.clock.now());
      await admitCaused(scheduler, changes, { job, trigger: "source", cause: run.id, now: ctx.clock.now() });
    });
}

async function prune(scheduler: State, now: Date): Promise<void> {
  if (Math.abs(now.getTime() - scheduler.prunedAt) < PRUNE_MS) return;
  scheduler.prunedAt = now.getTime();
  await pruneRuns(scheduler.state, scheduler.logs, { now, keep: scheduler.schedule.settings.keep });
}

/** Asks everything that runs to end, and waits for it. */
async function endAll({ keeper }: State, wait: (ms: number) => Promise<void>): Promise<void> {
  for (const run of keeper.active.values())
    keeper.stop(run, { status: "interrupted", reason: "the scheduler was stopped" });
  while (keeper.active.size > 0) {
    await keeper.round();
    if (keeper.active.size > 0) await wait(keeper.nextMs() ?? WATCH_MS);
  }
}
