import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import { openState } from "../../state/database.ts";
import type { Patience } from "../../state/patient-driver.ts";
import { listRuns, startRun } from "../../state/runs.ts";
import { temporaryContext } from "./folder.ts";

/** A store, and another program that writes to it until `release`. */
function heldStore(patience: Patience) {
  const { ctx } = temporaryContext();
  const file = join(ctx.projectDir, "data/state.db");
  const state = openState(file, undefined, patience);
  const other = new Sqlite(file);
  other.exec("begin immediate");
  onTestFinished(async () => {
    other.close();
    await state.destroy();
  });
  return { ctx, file, state, other, release: () => other.exec("rollback") };
}

const run = { command: "models", invocation: "models" };

test("a statement and a transaction wait for whoever writes, while this process does other work", async () => {
  const { ctx, state, release } = heldStore({ maxMs: 60_000 });
  const order: string[] = [];
  const statement = startRun(ctx, state, run).then(() => order.push("statement"));
  const transaction = state
    .transaction()
    .execute((changes) => changes.updateTable("runs").set({ summary: "seen" }).execute())
    .then(() => order.push("transaction"));
  await delay(600);
  order.push("other work");
  release();
  await Promise.all([statement, transaction]);
  expect(order).toEqual(["other work", "statement", "transaction"]);
  expect(await listRuns(state, 10)).toMatchObject([{ id: ctx.invocationId, summary: "seen" }]);
});

test("what is written after a wait is there for everybody", async () => {
  const { ctx, state, other, release } = heldStore({ maxMs: 150 });
  await expect(startRun(ctx, state, run)).rejects.toMatchObject({ code: "STATE_BUSY" });
  release();
  await startRun(ctx, state, run);
  expect(other.prepare("select id from runs").all()).toEqual([{ id: ctx.invocationId }]);
  other.exec("begin immediate; rollback");
});

test("a statement that fails leaves the lock to others", async () => {
  const { state, other, release } = heldStore({ maxMs: 150 });
  release();
  const jobs = () => state.insertInto("jobs").values([JOB, JOB]).execute();
  await expect(jobs()).rejects.toThrow(/UNIQUE/);
  other.exec("begin immediate; rollback");
  expect(await state.selectFrom("jobs").selectAll().execute()).toEqual([]);
});

test("who reads does not wait for who writes", async () => {
  const { state } = heldStore({ maxMs: 60_000 });
  expect(await listRuns(state, 10)).toEqual([]);
});

test("a transaction that read first is not lost when somebody wrote since", async () => {
  const { state, other, release } = heldStore({ maxMs: 60_000 });
  release();
  await state.transaction().execute(async (changes) => {
    await changes.selectFrom("runs").selectAll().execute();
    expect(() => other.exec("delete from runs")).toThrow(/locked/);
    await changes.insertInto("jobs").values(JOB).execute();
  });
  expect(await state.selectFrom("jobs").selectAll().execute()).toMatchObject([JOB]);
});

const JOB = { job: "a", seen_until: "2026", is_paused: 0, loads_until: "2026" };

test("patience has an end, told with what to do", async () => {
  const { ctx, file, state } = heldStore({ maxMs: 150 });
  await expect(startRun(ctx, state, run)).rejects.toMatchObject({
    code: "STATE_BUSY",
    exitCode: 3,
    where: file,
    message: "another program holds the store of runs",
    hint: expect.stringContaining("end what has it open for writing"),
    why: [expect.stringMatching(/^waited \d+ s: /)],
  });
});

test("who was asked to end waits no longer than for a moment", async () => {
  const stopped = AbortSignal.abort();
  const { ctx, state } = heldStore({ maxMs: Number.POSITIVE_INFINITY, signal: stopped, lastMs: 150 });
  await expect(startRun(ctx, state, run)).rejects.toMatchObject({ code: "STATE_BUSY" });
});

test("somebody who waits for long is told so", async () => {
  const waited: number[] = [];
  const { ctx, state, release } = heldStore({ maxMs: 60_000, onWait: (ms) => waited.push(ms), toldMs: 100 });
  const started = startRun(ctx, state, run);
  await delay(600);
  release();
  await started;
  expect(waited).toHaveLength(1);
});

test("a store that somebody holds for himself alone cannot be opened meanwhile", () => {
  const file = join(temporaryContext().ctx.projectDir, "state.db");
  const other = new Sqlite(file);
  onTestFinished(() => void other.close());
  other.exec("create table notes (text text); begin exclusive");
  expect(() => openState(file, undefined, { maxMs: 100 })).toThrow(
    expect.objectContaining({ code: "STATE_BUSY", exitCode: 3, where: file }),
  );
});
