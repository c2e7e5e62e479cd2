import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "libsql";
import { z } from "zod";
import type { Context } from "../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";

const holderSchema = z.object({ pid: z.number(), command: z.string(), startedAt: z.string() });
type LockHolder = z.infer<typeof holderSchema>;

export interface Lock {
  release(): void;
}

const POLL_MS = 100;

export interface LockOptions {
  command: string;
  waitMs: number;
  /** What the error says when somebody else holds it; by default that of a command that writes. */
  refusal?: { code: string; message: string; hint: string };
}

const WRITING = {
  code: "PROJECT_LOCKED",
  message: "another command is writing to this project",
  hint: "wait for it to end, or give --wait SECONDS; run show reads the published copy meanwhile",
};

/**
 * Makes this process the only writer of the project. The lock is an open exclusive transaction, which the
 * kernel ends with its process. Throws PROJECT_LOCKED (exit 3), naming the holder, after `waitMs`.
 */
export async function acquireLock(ctx: Context, file: string, options: LockOptions): Promise<Lock> {
  const deadline = ctx.clock.now().getTime() + options.waitMs;
  let hasWarned = false;
  for (;;) {
    const database = tryLock(file);
    if (database !== undefined) {
      writeHolder(file, {
        pid: process.pid,
        command: options.command,
        startedAt: ctx.startedAt.toISOString(),
      });
      return { release: () => releaseLock(database, file) };
    }
    if (ctx.clock.now().getTime() >= deadline) throw lockedError(file, options);
    if (!hasWarned) ctx.log.warn("lock_awaited", `waiting for ${describeHolder(readHolder(file))}`);
    hasWarned = true;
    await ctx.clock.sleep(POLL_MS, ctx.signal);
  }
}

function tryLock(file: string): Sqlite.Database | undefined {
  let database: Sqlite.Database | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    database = new Sqlite(file, { timeout: 0 });
    database.exec("begin exclusive");
    return database;
  } catch (error) {
    database?.close();
    if (/locked|busy/i.test(messageOf(error))) return undefined;
    throw new ProjectError("LOCK_UNUSABLE", {
      message: `the lock file cannot be used: ${messageOf(error)}`,
      where: file,
      hint: "check the permissions and the free space of the folder; if the file is damaged, delete it",
      exitCode: EXIT.environment,
      cause: error,
    });
  }
}

function releaseLock(database: Sqlite.Database, file: string): void {
  rmSync(holderFile(file), { force: true });
  database.exec("rollback");
  database.close();
}

function holderFile(file: string): string {
  return `${file}.json`;
}

function writeHolder(file: string, holder: LockHolder): void {
  writeFileSync(holderFile(file), JSON.stringify(holder));
}

function readHolder(file: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(holderFile(file), "utf8")));
  } catch {
    return undefined; // Absent, or just being written: the lock itself is the truth, this only names its holder.
  }
}

function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return "another command of this project";
  return `"${holder.command}" (pid ${holder.pid}, started ${holder.startedAt})`;
}

function lockedError(file: string, { waitMs, refusal = WRITING }: LockOptions): ProjectError {
  const { code, message, hint } = refusal;
  const why = [`held by ${describeHolder(readHolder(file))}`, `waited ${waitMs / 1000} s`];
  return new ProjectError(code, { message, where: file, why, hint, exitCode: EXIT.locked });
}

/** Makes this process the one scheduler of the project, as `acquireLock` does. Throws SCHEDULER_RUNS (exit 3). */
export function acquireLeadership(ctx: Context, file: string, command: string): Promise<Lock> {
  return acquireLock(ctx, file, { command, waitMs: 500, refusal: LEADING });
}

const LEADING = {
  code: "SCHEDULER_RUNS",
  message: "another scheduler leads this project",
  hint: "use that one: run job ls asks it; or stop it first",
};

/** Whether somebody holds the lock, and the name that they gave. */
export function lockHolder(file: string): string | undefined {
  const database = tryLock(file);
  if (database === undefined) return describeHolder(readHolder(file));
  database.exec("rollback");
  database.close();
  return undefined;
}
