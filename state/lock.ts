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

/**
 * Makes this process the only writer of the project. The lock is an open exclusive transaction, which the
 * kernel ends with its process. Throws PROJECT_LOCKED (exit 3), naming the holder, after `waitMs`.
 */
export async function acquireLock(
  ctx: Context,
  file: string,
  options: { command: string; waitMs: number },
): Promise<Lock> {
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
    if (ctx.clock.now().getTime() >= deadline) throw lockedError(file, options.waitMs);
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

function lockedError(file: string, waitMs: number): ProjectError {
  const holder = readHolder(file);
  return new ProjectError("PROJECT_LOCKED", {
    message: "another command is writing to this project",
    where: file,
    why: [`held by ${describeHolder(holder)}`, `waited ${waitMs / 1000} s`],
    hint: "wait for it to end, or give --wait SECONDS; run show reads the published copy meanwhile",
    exitCode: EXIT.locked,
  });
}
