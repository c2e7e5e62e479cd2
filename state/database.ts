import { existsSync, linkSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Kysely } from "kysely";
import Sqlite from "libsql";
import { copyAside } from "../core/aside.ts";
import { makeFolder, syncPath } from "../core/durable.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { isAlive } from "../core/processes.ts";
import { checkOwner, checkProgram, markAsOurs, type StoreOwner } from "./identity.ts";
import { MIGRATIONS } from "./migrations.ts";
import type {
  IncidentPartRow,
  IncidentRow,
  LineageEventRow,
  MetricPointRow,
  MetricSeriesRow,
  OutboxRow,
} from "./monitor-tables.ts";
import { busyError, isBusy, type Patience, PatientDialect, USUAL_PATIENCE } from "./patient-driver.ts";
import type { RegistryTables } from "./registry-tables.ts";
import type { RetrainingTables } from "./retraining-tables.ts";
import type { RunStatus } from "./run-statuses.ts";

/** A command that somebody typed, a job's run, or the command of one of its steps. */
export interface RunRow {
  id: string;
  /** The job; null for what was typed. */
  job: string | null;
  /** The run of the job that this command is a step of. */
  parent_id: string | null;
  /** The name of that step. */
  step: string | null;
  /** By the command's name; `job` for a job's run. */
  command: string;
  /** As typed, secrets masked. */
  invocation: string;
  /** What started it. */
  trigger: RunTrigger;
  /** The run that was the cause, where one was. */
  cause: string | null;
  /** The moment of the schedule, ISO, UTC. One run for each job and moment. */
  due_at: string | null;
  /** When it was written down, ISO, UTC: the order of the history. */
  queued_at: string;
  /** Null while it waits, and for ever when it was skipped or missed. */
  started_at: string | null;
  ended_at: string | null;
  status: RunStatus;
  /** Of the command's process; of a job's run that of the scheduler. */
  pid: number | null;
  /** What the kernel says of the process's start: a later process with the same pid has another. */
  process_start: string | null;
  exit_code: number | null;
  /** The signal that ended it. */
  signal: string | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
  /** Why it was skipped, missed or ended badly. */
  reason: string | null;
  /** One line for people. */
  summary: string | null;
  /** 1 once somebody asked for its end. */
  is_cancelled: number;
}

/** What starts a run: hand is a command typed, or `run job trigger`. */
export type RunTrigger = "hand" | "schedule" | "catch_up" | "job" | "source" | "api";

/** What has begun, or may yet. */
export const OPEN_STATUSES = ["queued", "running"] as const;

/** One attempt at a step of a job's run. */
export interface StepRow {
  run_id: string;
  /** Order in the job, from 0. */
  place: number;
  /** From 1. */
  attempt: number;
  name: string;
  /** JSON: the words of the command. */
  command: string;
  /** JSON: the names of steps that have to have succeeded. */
  needs: string;
  /** pending, starting (written before its process), running, or how it ended. */
  status: StepStatus;
  /** Not before this moment, ISO, UTC: the delay of a retry. */
  not_before: string | null;
  pid: number | null;
  process_start: string | null;
  started_at: string | null;
  ended_at: string | null;
  exit_code: number | null;
  signal: string | null;
  cpu_seconds: number | null;
  peak_memory_bytes: number | null;
  reason: string | null;
}
export type StepStatus = "pending" | "starting" | Exclude<RunStatus, "queued" | "missed">;

/** What became of a stream, a model, a test in a command's run. */
export interface RunNodeRow {
  run_id: string;
  /** Order within the run, from 0. */
  place: number;
  /** `source.stream`, or the node's unique id. */
  node: string;
  /** stream, seed, snapshot, model, test, unit_test. */
  kind: string;
  status: string;
  seconds: number | null;
  /** Of a stream those that were new, changed or deleted; of a test those that break it. */
  rows: number | null;
  message: string | null;
}

/** What the scheduler remembers of a job between its starts. */
export interface JobRow {
  job: string;
  /** Due moments up to here are in the history, ISO, UTC. */
  seen_until: string;
  /** 1 while `run job pause` holds. */
  is_paused: number;
  /** Ends of loads up to here were looked at for triggers by sources, ISO, UTC. */
  loads_until: string;
}

/** Rows that broke a data test in a run. */
export interface FailureRow {
  run_id: string;
  /** Order within the run, from 0. */
  place: number;
  test: string;
  name: string;
  status: "fail" | "warn";
  failures: number;
  /** JSON: a list of names. */
  columns: string;
  /** JSON: a list of lists of values. */
  rows: string;
}

export interface StateTables extends RegistryTables, RetrainingTables {
  runs: RunRow;
  run_steps: StepRow;
  run_nodes: RunNodeRow;
  jobs: JobRow;
  failures: FailureRow;
  metric_series: MetricSeriesRow;
  metric_points: MetricPointRow;
  incidents: IncidentRow;
  incident_parts: IncidentPartRow;
  outbox: OutboxRow;
  lineage_events: LineageEventRow;
}

export type StateDatabase = Kysely<StateTables>;

/** How long opening a store waits at most for another program that holds it. */
const OPENING_MS = 5000;
/** And a statement before it gives way to other work of this process. */
const STATEMENT_MS = 100;
/** Room for the pages that one run changes, which otherwise go into the log and are read again from there. */
const CACHE_KIB = 16_384;

/**
 * Opens data/state.db, bringing an older one up to date. Throws STATE_* (exit 4), leaving the file as it is and, when it
 * is damaged, a copy beside it; STATE_BUSY (exit 3). A new one appears whole: a file that is empty was damaged.
 */
export function openState(
  file: string,
  owner?: StoreOwner,
  patience: Patience = USUAL_PATIENCE,
): StateDatabase {
  const isNew = !existsSync(file);
  const openingMs = Math.min(OPENING_MS, patience.maxMs);
  let sqlite: Sqlite.Database | undefined;
  try {
    makeFolder(dirname(file));
    if (isNew) createStore(file);
    if (statSync(file).size === 0) throw new Error("the file is empty");
    sqlite = new Sqlite(file, { timeout: openingMs });
    checkVersion(sqlite, file);
    checkPages(sqlite, file);
    checkProgram(sqlite, file);
    sqlite.exec("pragma journal_mode = wal");
    sqlite.exec("pragma synchronous = full");
    sqlite.exec(`pragma cache_size = -${CACHE_KIB}`);
    if (owner !== undefined) checkOwner(sqlite, file, owner);
    migrate(sqlite);
    sqlite.exec(`pragma busy_timeout = ${STATEMENT_MS}`);
    return new Kysely<StateTables>({ dialect: new PatientDialect({ database: sqlite, file, patience }) });
  } catch (error) {
    sqlite?.close();
    if (error instanceof ProjectError) throw error;
    if (isBusy(error)) throw busyError(file, openingMs, error);
    throw isNew ? notCreated(file, error) : unreadable(file, error);
  }
}

function notCreated(file: string, error: unknown): ProjectError {
  return new ProjectError("STATE_UNREADABLE", {
    message: `the store of runs cannot be created: ${messageOf(error)}`,
    where: file,
    hint: "check the permissions and the free space of the folder",
    exitCode: EXIT.environment,
    cause: error,
  });
}

function unreadable(file: string, error: unknown): ProjectError {
  return new ProjectError("STATE_UNREADABLE", {
    message: `the store of runs cannot be opened: ${messageOf(error)}`,
    where: file,
    why: ["it was not touched", ...copyAside(file)],
    hint: "put a backup in its place, or move the file away to start a new history: the data and where each stream stands are in the warehouse, which run doctor looks at",
    exitCode: EXIT.environment,
    cause: error,
  });
}

/** Made aside and given its name when it is whole, unless another process was faster. */
function createStore(file: string): void {
  const folder = dirname(file);
  for (const left of readdirSync(folder).filter((name) => name.startsWith(`${basename(file)}.new-`)))
    if (!isAlive({ pid: Number(/\.new-(\d+)/.exec(left)?.[1]), start: null }))
      rmSync(join(folder, left), { force: true });
  const unfinished = `${file}.new-${process.pid}`;
  const sqlite = new Sqlite(unfinished);
  try {
    sqlite.exec("pragma synchronous = full");
    sqlite.exec(`pragma cache_size = -${CACHE_KIB}`);
    markAsOurs(sqlite);
    migrate(sqlite);
    // Those who open it then need not wait for each other to change that. Last: all pages are in the file.
    sqlite.exec("pragma journal_mode = wal");
  } finally {
    sqlite.close();
    for (const part of ["-wal", "-shm"]) rmSync(`${unfinished}${part}`, { force: true });
  }
  try {
    linkSync(unfinished, file);
  } catch {
    // Another process was faster, or the file system has no links.
    if (!existsSync(file)) renameSync(unfinished, file);
  }
  rmSync(unfinished, { force: true });
  syncPath(folder);
}

/** Before anything is written: a newer store stays as it is. */
function checkVersion(sqlite: Sqlite.Database, file: string): void {
  const version = userVersion(sqlite);
  if (version > MIGRATIONS.length) {
    throw new ProjectError("STATE_TOO_NEW", {
      message: `the store of runs was written by a newer release (version ${version}, this one knows ${MIGRATIONS.length})`,
      where: file,
      hint: "use the newer release, or move the file away to start a new history",
      exitCode: EXIT.environment,
    });
  }
}

/** Reading a large file whole takes longer than most commands: then once a day is enough. */
const LARGE_BYTES = 32 * 1024 * 1024;
const DAY_MS = 86_400_000;

function checkPages(sqlite: Sqlite.Database, file: string): void {
  const isLarge = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > LARGE_BYTES;
  const mark = `${file}.checked`;
  const checkedAt = statSync(mark, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (isLarge && Math.abs(Date.now() - checkedAt) < DAY_MS) return;
  const [first] = sqlite.prepare("pragma quick_check(1)").all() as { quick_check: string }[]; // SQLite's own answer
  if (first?.quick_check !== "ok") throw new Error(`the file is damaged: ${first?.quick_check ?? ""}`);
  if (isLarge) writeFileSync(mark, "");
}

function migrate(sqlite: Sqlite.Database): void {
  if (userVersion(sqlite) === MIGRATIONS.length) return;
  sqlite.exec("begin immediate");
  try {
    for (const statement of MIGRATIONS.slice(userVersion(sqlite))) sqlite.exec(statement);
    sqlite.exec(`pragma user_version = ${MIGRATIONS.length}`);
    sqlite.exec("commit");
  } catch (error) {
    sqlite.exec("rollback");
    throw error;
  }
}

function userVersion(sqlite: Sqlite.Database): number {
  const row = sqlite.prepare("pragma user_version").get() as { user_version: number }; // SQLite's own answer
  return row.user_version;
}
