import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import Sqlite from "libsql";
import { z } from "zod";
import type { Context } from "../core/context.ts";
import { makeFolder } from "../core/durable.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { isAlive, processStart } from "../core/processes.ts";

const holderSchema = z.object({
  pid: z.number(),
  /** As the kernel tells it. */
  start: z.string().nullable(),
  command: z.string(),
  startedAt: z.string(),
});
type LockHolder = z.infer<typeof holderSchema>;

export interface Lock {
  release(): void;
}

const POLL_MS = 100;

/** A holder writes its name right after it has the lock: whoever is refused in between looks again for as long as this. */
const NAMING_MS = 1000;
const NAMING_POLL_MS = 10;

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
  const now = () => ctx.clock.now().getTime();
  const deadline = now() + options.waitMs;
  let namedUntil = now() + NAMING_MS;
  let hasWarned = false;
  for (;;) {
    const database = tryLock(file, HOLD);
    if (database !== undefined) {
      writeHolder(file, {
        pid: process.pid,
        start: processStart(process.pid),
        command: options.command,
        startedAt: ctx.startedAt.toISOString(),
      });
      return { release: () => releaseLock(database, file) };
    }
    const holder = readHolder(file);
    const isNamed = holder !== undefined && isAlive(holder);
    if (!isNamed && now() < namedUntil) {
      await ctx.clock.sleep(NAMING_POLL_MS, ctx.signal);
      continue;
    }
    if (now() >= deadline) throw lockedError(file, holder, options);
    if (!hasWarned) ctx.log.warn("lock_awaited", `waiting for ${describeHolder(holder)}`);
    hasWarned = true;
    await ctx.clock.sleep(POLL_MS, ctx.signal);
    namedUntil = now() + NAMING_MS;
  }
}

/** Shuts out everybody else. */
const HOLD = "begin exclusive";

/** Whoever looks whether somebody holds it shuts out nobody else who looks. */
const LOOK = "begin; select count(*) from sqlite_schema";

function tryLock(file: string, how: string): Sqlite.Database | undefined {
  let database: Sqlite.Database | undefined;
  try {
    makeFolder(dirname(file));
    database = new Sqlite(file, { timeout: 0 });
    database.exec(how);
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
  const unfinished = `${holderFile(file)}.tmp`;
  writeFileSync(unfinished, JSON.stringify(holder));
  renameSync(unfinished, holderFile(file));
}

function readHolder(file: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(readFileSync(holderFile(file), "utf8")));
  } catch {
    return undefined; // Absent, or not written yet: the lock itself is the truth, this only names its holder.
  }
}

function describeHolder(holder: LockHolder | undefined): string {
  if (holder === undefined) return "another command of this project";
  return `"${holder.command}" (pid ${holder.pid}, started ${holder.startedAt})`;
}

function lockedError(
  file: string,
  holder: LockHolder | undefined,
  { waitMs, refusal = WRITING }: LockOptions,
): ProjectError {
  const { code, message, hint } = refusal;
  const why = [`held by ${describeHolder(holder)}`, `waited ${waitMs / 1000} s`];
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
  const database = tryLock(file, LOOK);
  if (database === undefined) return describeHolder(readHolder(file));
  database.exec("rollback");
  database.close();
  return undefined;
}
