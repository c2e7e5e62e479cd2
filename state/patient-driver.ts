import { setTimeout as delay } from "node:timers/promises";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type SqliteDatabase,
  SqliteDialect,
  SqliteDriver,
} from "kysely";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";

/** How long a store that another program writes to is waited for. */
export interface Patience {
  /** After this STATE_BUSY is thrown. */
  maxMs: number;
  /** Called after `toldMs` of waiting, by default two seconds, and then once a minute. */
  onWait?: (waitedMs: number) => void;
  toldMs?: number;
  /** Once it is aborted, waiting ends within `lastMs`, by default ten seconds. */
  signal?: AbortSignal;
  lastMs?: number;
}

export const USUAL_PATIENCE: Patience = { maxMs: 30_000 };

const TOLD_MS = 2000;
const TOLD_AGAIN_MS = 60_000;
const LAST_MS = 10_000;
const LONGEST_PAUSE_MS = 250;

/** Whether another program holds SQLite's lock. */
export function isBusy(error: unknown): boolean {
  const { code } = error as { code?: unknown }; // of libsql's errors, a name
  return typeof code === "string" && code.startsWith("SQLITE_BUSY");
}

export function busyError(file: string, waitedMs: number, cause: unknown): ProjectError {
  return new ProjectError("STATE_BUSY", {
    message: "another program holds the store of runs",
    where: file,
    why: [`waited ${Math.round(waitedMs / 1000)} s: ${messageOf(cause)}`],
    hint: "end what has it open for writing, such as a sqlite3 shell or a copy being made, and run the command again",
    exitCode: EXIT.locked,
    cause,
  });
}

/**
 * SQLite whose statements wait without holding up the process while another one writes. Throws STATE_BUSY (exit 3).
 *
 * What writes first takes the lock by `exec`: a prepared statement that SQLite refuses is left unfinished by libsql until
 * it is collected, and as long as it is there, nothing that is written is committed.
 */
export class PatientDialect extends SqliteDialect {
  readonly #options: PatientOptions;

  constructor(options: PatientOptions) {
    super(options);
    this.#options = options;
  }

  override createDriver(): SqliteDriver {
    return new PatientDriver(this.#options);
  }
}

export interface PatientOptions {
  database: SqliteDatabase & { exec(sql: string): unknown };
  file: string;
  patience: Patience;
}

class PatientDriver extends SqliteDriver {
  readonly #options: PatientOptions;
  #isInTransaction = false;

  constructor(options: PatientOptions) {
    super(options);
    this.#options = options;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    return {
      executeQuery: <R>(query: CompiledQuery) => {
        const execute = () => connection.executeQuery<R>(query);
        if (this.#isInTransaction) return execute();
        return isReading(query) ? patiently(this.#options, execute) : this.#write(execute);
      },
      streamQuery: (query, size) => connection.streamQuery(query, size),
    };
  }

  /** A statement that is a transaction of its own. */
  async #write<R>(execute: () => Promise<R>): Promise<R> {
    await this.beginTransaction();
    try {
      const result = await execute();
      await this.commitTransaction();
      return result;
    } catch (error) {
      await this.rollbackTransaction();
      throw error;
    }
  }

  override async beginTransaction(): Promise<void> {
    await patiently(this.#options, async () => this.#options.database.exec("begin immediate"));
    this.#isInTransaction = true;
  }

  override async commitTransaction(): Promise<void> {
    await patiently(this.#options, async () => this.#options.database.exec("commit"));
    this.#isInTransaction = false;
  }

  override async rollbackTransaction(): Promise<void> {
    this.#isInTransaction = false;
    try {
      this.#options.database.exec("rollback");
    } catch {
      // SQLite has ended it by itself, as it does when the disk is full.
    }
  }
}

/** Statements in plain SQL are settings and questions. */
function isReading({ query: { kind } }: CompiledQuery): boolean {
  return kind === "SelectQueryNode" || kind === "RawNode";
}

async function patiently<R>(
  { file, patience: { maxMs, onWait, signal, toldMs = TOLD_MS, lastMs = LAST_MS } }: PatientOptions,
  execute: () => Promise<R>,
): Promise<R> {
  const begunAt = performance.now();
  let askedToEndAt: number | undefined;
  let toldAt = toldMs - TOLD_AGAIN_MS;
  for (let pause = 10; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      return await execute();
    } catch (error) {
      if (!isBusy(error)) throw error;
      const waited = performance.now() - begunAt;
      if (signal?.aborted) askedToEndAt ??= waited;
      if (waited > maxMs || waited - (askedToEndAt ?? waited) > lastMs) throw busyError(file, waited, error);
      if (waited - toldAt >= TOLD_AGAIN_MS) {
        toldAt = waited;
        onWait?.(waited);
      }
      await delay(pause);
    }
  }
}
