import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { sql } from "kysely";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import type { Context } from "../../core/context.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { keepReserve, withReserve } from "../../state/reserve.ts";
import { closeCrashedRuns, endRun, findRuns, listRuns, startRun } from "../../state/runs.ts";
import { temporaryContext } from "./folder.ts";

const stateFile = (ctx: Context) => join(ctx.projectDir, "data/state.db");

function opened(): { ctx: Context; state: StateDatabase } {
  const { ctx } = temporaryContext();
  const state = openState(stateFile(ctx));
  onTestFinished(() => state.destroy());
  return { ctx, state };
}

test("a run is running until it ends", async () => {
  const { ctx, state } = opened();
  await startRun(ctx, state, { command: "models", invocation: "models --select marts" });
  expect(await listRuns(state, 10)).toMatchObject([
    { id: ctx.invocationId, status: "running", ended_at: null, invocation: "models --select marts" },
  ]);
  await endRun(ctx, state, { status: "failed", exitCode: 1, summary: "1 model failed" });
  expect(await listRuns(state, 10)).toMatchObject([
    { status: "failed", exit_code: 1, summary: "1 model failed", ended_at: "2026-01-15T12:00:00.000Z" },
  ]);
});

test("runs are listed the newest first, as many as asked for", async () => {
  const { ctx, state } = opened();
  for (const day of ["02", "03", "01"]) {
    const run = { ...ctx, invocationId: day, startedAt: new Date(`2026-01-${day}T00:00:00Z`) };
    await startRun(run, state, { command: "test", invocation: "test" });
  }
  expect((await listRuns(state, 2)).map(({ id }) => id)).toEqual(["03", "02"]);
});

test("secrets do not reach the store", async () => {
  const { ctx, state } = opened();
  ctx.secrets.add("hunter22");
  await startRun(ctx, state, { command: "ingest", invocation: "ingest --vars '{key: hunter22}'" });
  await endRun(ctx, state, { status: "failed", exitCode: 1, summary: "401 for hunter22" });
  expect(JSON.stringify(await listRuns(state, 1))).not.toContain("hunter22");
});

test("a run whose process is gone has crashed, one whose process lives has not", async () => {
  const { ctx, state } = opened();
  await startRun(ctx, state, { command: "models", invocation: "models" });
  const gone = { ...ctx, invocationId: "gone" };
  await startRun(gone, state, { command: "models", invocation: "models" });
  const { pid } = spawnSync(process.execPath, ["-e", ""]);
  await state.updateTable("runs").set({ pid }).where("id", "=", "gone").execute();
  const now = new Date("2026-01-15T12:34:56Z");
  await closeCrashedRuns(state, { logs: join(ctx.projectDir, "data/logs"), now });
  const statuses = Object.fromEntries((await listRuns(state, 10)).map(({ id, status }) => [id, status]));
  expect(statuses).toEqual({ [ctx.invocationId]: "running", gone: "crashed" });
  const [crashed] = await findRuns(state, "gone");
  expect(crashed).toMatchObject({
    ended_at: now.toISOString(),
    reason: "its process is gone, and did not say how it ended",
  });
});

test("a run that crashed ended with the last line of its log", async () => {
  const { ctx, state } = opened();
  const logs = join(ctx.projectDir, "data/logs");
  await startRun({ ...ctx, invocationId: "gone" }, state, { command: "models", invocation: "models" });
  await state.updateTable("runs").set({ pid: null }).execute();
  const lastLine = new Date("2026-01-15T12:00:07Z");
  mkdirSync(logs, { recursive: true });
  writeFileSync(join(logs, "gone.log"), "{}\n");
  utimesSync(join(logs, "gone.log"), lastLine, lastLine);
  await closeCrashedRuns(state, { logs, now: new Date("2026-01-16T12:00:00Z") });
  expect((await findRuns(state, "gone"))[0]?.ended_at).toBe(lastLine.toISOString());
});

test("a store is opened again with what it held", async () => {
  const { ctx, state } = opened();
  await startRun(ctx, state, { command: "models", invocation: "models" });
  await state.destroy();
  const again = openState(stateFile(ctx));
  onTestFinished(() => again.destroy());
  expect(await listRuns(again, 10)).toHaveLength(1);
});

/** A store whose pages are all in its file. */
async function closedStore(): Promise<Context> {
  const { ctx, state } = opened();
  for (let index = 0; index < 200; index++) {
    const run = { ...ctx, invocationId: `${index}` };
    await startRun(run, state, { command: "test", invocation: "x".repeat(200) });
  }
  await sql`pragma wal_checkpoint(truncate)`.execute(state);
  await state.destroy();
  return ctx;
}

test.each<[string, string, (file: string) => void]>([
  [
    "of a newer release",
    "STATE_TOO_NEW",
    (file) => {
      for (const part of ["", "-wal", "-shm"]) rmSync(`${file}${part}`);
      const sqlite = new Sqlite(file);
      sqlite.exec("create table runs (id text); pragma user_version = 99");
      sqlite.close();
    },
  ],
  ["that is no database", "STATE_UNREADABLE", (file) => writeFileSync(file, "not a database ".repeat(1000))],
  ["that is empty", "STATE_UNREADABLE", (file) => truncateSync(file, 0)],
  [
    "of another program",
    "STATE_FOREIGN",
    (file) => {
      for (const part of ["", "-wal", "-shm"]) rmSync(`${file}${part}`);
      const sqlite = new Sqlite(file);
      sqlite.exec("create table notes (text text)");
      sqlite.close();
    },
  ],
  ["of ones", "STATE_UNREADABLE", (file) => writeFileSync(file, Buffer.alloc(8192, 1))],
  [
    "cut in half",
    "STATE_UNREADABLE",
    (file) => truncateSync(file, Math.floor(readFileSync(file).length / 2)),
  ],
  [
    "with a damaged page",
    "STATE_UNREADABLE",
    (file) => {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0xff, 4096, 8192));
    },
  ],
])("a store %s is refused with exit 4 and stays as it is", async (_, code, damage) => {
  const ctx = await closedStore();
  const file = stateFile(ctx);
  damage(file);
  const before = readFileSync(file);
  expect(() => openState(file)).toThrow(
    expect.objectContaining({
      code,
      exitCode: 4,
      where: file,
      hint: expect.stringContaining("move the file away"),
      ...(code === "STATE_FOREIGN"
        ? { message: "this is a database of another program, not a store of runs" }
        : {}),
    }),
  );
  expect(readFileSync(file).equals(before)).toBe(true);
});

test("a file where the store's folder should be is an error of the surroundings", () => {
  const { ctx } = temporaryContext();
  writeFileSync(join(ctx.projectDir, "data"), "");
  expect(() => openState(stateFile(ctx))).toThrow(
    expect.objectContaining({
      code: "STATE_UNREADABLE",
      exitCode: 4,
      hint: expect.stringContaining("permissions"),
    }),
  );
});

test("a damaged store is copied beside itself, once", async () => {
  const ctx = await closedStore();
  const file = stateFile(ctx);
  writeFileSync(file, "not a database ".repeat(1000));
  const copies = () => readdirSync(dirname(file)).filter((name) => name.startsWith("state.db.damaged-"));
  for (const _ of [1, 2])
    expect(() => openState(file)).toThrow(
      expect.objectContaining({ why: expect.arrayContaining([expect.stringContaining("a copy of it is")]) }),
    );
  expect(copies()).toHaveLength(1);
  expect(readFileSync(join(dirname(file), copies()[0] ?? "")).equals(readFileSync(file))).toBe(true);
});

test("a store follows its project when that is renamed or moved, and no other project gets it", async () => {
  const { ctx } = temporaryContext();
  const file = stateFile(ctx);
  const open = async (project: string, folder: string) => openState(file, { project, folder }).destroy();
  await open("shop", "/a");
  await open("store", "/a");
  await open("store", "/b");
  const error = { code: "STATE_OTHER_PROJECT", exitCode: 4, where: file };
  expect(() => openState(file, { project: "shop", folder: "/a" })).toThrow(
    expect.objectContaining({
      ...error,
      message: 'the store of runs is of another project: "store"',
      hint: expect.stringMatching(/put this project's own store in its place/),
    }),
  );
  await expect(open("store", "/b")).resolves.toBeUndefined();
});

test("a write that meets a full disk is done in the space of the reserve", async () => {
  const { ctx } = opened();
  const reserve = `${stateFile(ctx)}.reserve`;
  const write = async () => {
    if (existsSync(reserve))
      throw Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
    return "written";
  };
  keepReserve(stateFile(ctx));
  expect(statSync(reserve).size).toBeGreaterThan(1_000_000);
  expect(await withReserve(stateFile(ctx), write)).toBe("written");
  expect(existsSync(reserve)).toBe(false);
});
