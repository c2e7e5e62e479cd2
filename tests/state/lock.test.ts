import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import type { Context } from "../../core/context.ts";
import { acquireLock, type Lock, lockHolder } from "../../state/lock.ts";
import { temporaryContext } from "./folder.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const lockFile = (ctx: Context) => join(ctx.projectDir, "data/lock.db");

async function acquire(ctx: Context, options: { command?: string; waitMs?: number } = {}): Promise<Lock> {
  const { command = "run models", waitMs = 0 } = options;
  const lock = await acquireLock(ctx, lockFile(ctx), { command, waitMs });
  onTestFinished(() => lock.release());
  return lock;
}

/** Another process that holds the lock until it is killed. */
async function holderProcess(ctx: Context) {
  const script = `
    const { createJiti } = await import("jiti");
    const jiti = createJiti(${JSON.stringify(ROOT)});
    const { acquireLock } = await jiti.import(${JSON.stringify(join(ROOT, "state/lock.ts"))});
    const { createContext } = await jiti.import(${JSON.stringify(join(ROOT, "core/context.ts"))});
    const ctx = createContext({ projectDir: ".", env: {}, sink: () => {} });
    globalThis.lock = await acquireLock(ctx, ${JSON.stringify(lockFile(ctx))}, { command: "run pipeline", waitMs: 0 });
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child;
}

test("names its holder to whoever waited for it in vain, for exit 3", async () => {
  const { ctx, messages } = temporaryContext();
  await acquire(ctx, { command: "run ingest" });
  const holder = `"run ingest" (pid ${process.pid}, started 2026-01-15T12:00:00.000Z)`;
  await expect(acquire(ctx, { waitMs: 2000 })).rejects.toMatchObject({
    code: "PROJECT_LOCKED",
    exitCode: 3,
    why: [`held by ${holder}`, "waited 2 s"],
    hint: expect.stringContaining("--wait"),
  });
  expect(ctx.clock.now().getTime() - ctx.startedAt.getTime()).toBe(2000);
  expect(messages).toEqual([`waiting for ${holder}`]);
});

test("names nobody who is dead: a holder writes its name right after it has the lock", async () => {
  let sleeps = 0;
  const { ctx } = temporaryContext({
    onSleep: () => {
      if (++sleeps === 3) writeFileSync(file, named);
    },
  });
  await acquire(ctx, { command: "run ingest" });
  const file = `${lockFile(ctx)}.json`;
  const named = readFileSync(file, "utf8");
  const dead = spawn("true");
  await once(dead, "exit");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(named), pid: dead.pid, command: "run publish" }));
  await expect(acquire(ctx)).rejects.toMatchObject({
    why: [expect.stringContaining(`held by "run ingest" (pid ${process.pid}, started`), "waited 0 s"],
  });
  expect(sleeps).toBe(3);
});

test("is told to any number of those who look, and is free after", async () => {
  const { ctx } = temporaryContext();
  const lock = await acquireLock(ctx, lockFile(ctx), { command: "run up", waitMs: 0 });
  expect(lockHolder(lockFile(ctx))).toMatch(/^"run up" \(pid \d+, started 2026-01-15/);
  lock.release();
  const looking = new Sqlite(lockFile(ctx));
  onTestFinished(() => void looking.close());
  looking.exec("begin; select count(*) from sqlite_schema");
  expect(lockHolder(lockFile(ctx))).toBeUndefined();
});

test("is refused at once to whoever does not wait", async () => {
  const { ctx, messages } = temporaryContext();
  await acquire(ctx);
  await expect(acquire(ctx)).rejects.toMatchObject({ code: "PROJECT_LOCKED" });
  expect(messages).toEqual([]);
});

test("goes to whoever waits when its holder lets go", async () => {
  let first: Lock | undefined;
  let sleeps = 0;
  const { ctx } = temporaryContext({
    onSleep: () => {
      if (++sleeps === 3) first?.release();
    },
  });
  first = await acquireLock(ctx, lockFile(ctx), { command: "run ingest", waitMs: 0 });
  await acquire(ctx, { command: "run models", waitMs: 60_000 });
  expect(sleeps).toBe(3);
  expect(JSON.parse(readFileSync(`${lockFile(ctx)}.json`, "utf8"))).toMatchObject({ command: "run models" });
});

test("is not waited for any longer when the run is stopped", async () => {
  const abort = new AbortController();
  const { ctx } = temporaryContext({
    signal: abort.signal,
    onSleep: () => abort.abort(new Error("stopped")),
  });
  await acquire(ctx);
  await expect(acquire(ctx, { waitMs: 60_000 })).rejects.toThrow("stopped");
});

test("is free at once when its holder is killed", async () => {
  const { ctx } = temporaryContext();
  const child = await holderProcess(ctx);
  await expect(acquire(ctx)).rejects.toMatchObject({
    why: [expect.stringContaining(`"run pipeline" (pid ${child.pid}, started`), "waited 0 s"],
  });
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
  await acquire(ctx);
});

test.each([
  [
    "a file that is no database",
    (ctx: Context) => writeFileSync(lockFile(ctx), "not a database ".repeat(1000)),
  ],
  ["a folder in its place", (ctx: Context) => mkdirSync(lockFile(ctx))],
])("%s is an error of the surroundings", async (_, damage) => {
  const { ctx } = temporaryContext();
  mkdirSync(join(ctx.projectDir, "data"));
  damage(ctx);
  await expect(acquire(ctx)).rejects.toMatchObject({
    code: "LOCK_UNUSABLE",
    exitCode: 4,
    where: lockFile(ctx),
  });
});

test("a file where its folder should be is an error of the surroundings", async () => {
  const { ctx } = temporaryContext();
  writeFileSync(join(ctx.projectDir, "data"), "");
  await expect(acquire(ctx)).rejects.toMatchObject({ code: "LOCK_UNUSABLE", exitCode: 4 });
});
