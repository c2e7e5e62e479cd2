import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { Kysely, SqliteDialect } from "kysely";
import Sqlite from "libsql";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";

export interface RunRow {
  id: string;
  command: string;
  /** As typed, secrets masked. */
  invocation: string;
  pid: number;
  /** ISO, UTC. */
  started_at: string;
  ended_at: string | null;
  /** running, success, failed, interrupted, crashed. */
  status: string;
  exit_code: number | null;
  /** One line for people. */
  summary: string | null;
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
  failures: FailureRow;
}

export type StateDatabase = Kysely<StateTables>;

/** Each entry brings the store from version `index` to `index + 1`. Entries are only ever added. */
const MIGRATIONS = [
  `create table runs (
     id text primary key,
     command text not null,
     invocation text not null,
     pid integer not null,
     started_at text not null,
     ended_at text,
     status text not null default 'running',
     exit_code integer,
     summary text
   );
   create index runs_started_at on runs (started_at);`,
  `create table failures (
     run_id text not null,
     place integer not null,
     test text not null,
     name text not null,
     status text not null,
     failures integer not null,
     columns text not null,
     rows text not null,
     primary key (run_id, place)
   );`,
];

/** Opens data/state.db, bringing an older one up to date. Throws STATE_* (exit 4), leaving the file as it is. */
export function openState(file: string): StateDatabase {
  const isNew = !existsSync(file);
  let sqlite: Sqlite.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    sqlite = new Sqlite(file, { timeout: 5_000 });
    checkVersion(sqlite, file);
    checkPages(sqlite);
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

function checkPages(sqlite: Sqlite.Database): void {
  const [first] = sqlite.prepare("pragma quick_check(1)").all() as { quick_check: string }[]; // SQLite's own answer
  if (first?.quick_check !== "ok") throw new Error(`the file is damaged: ${first?.quick_check ?? ""}`);
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
