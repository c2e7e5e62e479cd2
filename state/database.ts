import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Kysely, SqliteDialect } from "kysely";
import Sqlite from "libsql";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { MIGRATIONS } from "./migrations.ts";

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
export const RUN_STATUSES = [
  "queued",
  "running",
  "success",
  "failed",
  "interrupted",
  "crashed",
  "timed_out",
  "cancelled",
  "failed_to_start",
  "skipped",
  "missed",
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

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

export interface StateTables {
  runs: RunRow;
  run_steps: StepRow;
  run_nodes: RunNodeRow;
  jobs: JobRow;
  failures: FailureRow;
}

export type StateDatabase = Kysely<StateTables>;

/** Opens data/state.db, bringing an older one up to date. Throws STATE_* (exit 4), leaving the file as it is. */
export function openState(file: string): StateDatabase {
  const isNew = !existsSync(file);
  let sqlite: Sqlite.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    sqlite = new Sqlite(file, { timeout: 5_000 });
    checkVersion(sqlite, file);
    checkPages(sqlite, file);
    sqlite.exec("pragma journal_mode = wal");
    sqlite.exec("pragma synchronous = full");
    migrate(sqlite);
    return new Kysely<StateTables>({ dialect: new SqliteDialect({ database: sqlite }) });
  } catch (error) {
    sqlite?.close();
    if (error instanceof ProjectError) throw error;
    throw new ProjectError("STATE_UNREADABLE", {
      message: `the store of runs cannot be ${isNew ? "created" : "opened"}: ${messageOf(error)}`,
      where: file,
      hint: isNew
        ? "check the permissions and the free space of the folder"
        : "move the file away to start a new history: the data is in the warehouse and is not touched",
      exitCode: EXIT.environment,
      cause: error,
    });
  }
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
