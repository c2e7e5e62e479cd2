import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Context } from "../../core/context.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { keepFailures, listFailures, type TestFailure } from "../../state/failures.ts";
import { findRuns, startRun } from "../../state/runs.ts";
import { temporaryContext } from "./folder.ts";

function opened(): { ctx: Context; state: StateDatabase } {
  const { ctx } = temporaryContext();
  const state = openState(join(ctx.projectDir, "data/state.db"));
  onTestFinished(() => state.destroy());
  return { ctx, state };
}

const failure = (name: string, rows: unknown[][] = [[1, null]]): TestFailure => ({
  test: `test.shop.${name}`,
  name,
  status: "fail",
  failures: 7,
  columns: ["id", "name"],
  rows,
});

test("failing rows are read as they were kept, in their order", async () => {
  const { ctx, state } = opened();
  await startRun(ctx, state, { command: "test", invocation: "test" });
  const rows = [
    [1, "é"],
    [null, { a: [1.5, true] }],
  ];
  await keepFailures(ctx, state, [failure("b", rows), { ...failure("a"), status: "warn" }]);
  expect(await listFailures(state, ctx.invocationId)).toEqual([
    failure("b", rows),
    { ...failure("a"), status: "warn" },
  ]);
  expect(await listFailures(state, "another")).toEqual([]);
});

test("rows of the fifty newest runs that had any are kept", async () => {
  const { ctx, state } = opened();
  for (let run = 10; run < 62; run++) {
    const startedAt = new Date(Date.UTC(2026, 0, 1, run));
    const of = { ...ctx, invocationId: `run-${run}`, startedAt };
    await startRun(of, state, { command: "test", invocation: "test" });
    await keepFailures(of, state, run === 20 ? [] : [failure("a")]);
  }
  const kept = await state.selectFrom("failures").select("run_id").execute();
  expect(kept.map(({ run_id }) => run_id).sort()).toEqual(
    Array.from({ length: 51 }, (_, index) => `run-${index + 11}`).filter((id) => id !== "run-20"),
  );
});

test("of a run 200 tests are kept, of a value 1000 characters", async () => {
  const { ctx, state } = opened();
  await startRun(ctx, state, { command: "test", invocation: "test" });
  const failures = Array.from({ length: 201 }, (_, index) => failure(`t${index}`, [["x".repeat(2000)]]));
  await keepFailures(ctx, state, failures);
  const kept = await listFailures(state, ctx.invocationId);
  expect(kept).toHaveLength(200);
  expect(kept[0]?.rows).toEqual([[`${"x".repeat(1000)}…`]]);
});

test("secrets in failing rows do not reach the store", async () => {
  const { ctx, state } = opened();
  ctx.secrets.add("hunter22");
  await keepFailures(ctx, state, [failure("a", [["key hunter22", { nested: ["hunter22"] }]])]);
  expect(JSON.stringify(await listFailures(state, ctx.invocationId))).not.toContain("hunter22");
});

test("runs are found by the beginning of their id", async () => {
  const { ctx, state } = opened();
  for (const id of ["ab1", "ab2", "c%"])
    await startRun({ ...ctx, invocationId: id }, state, { command: "test", invocation: "test" });
  expect((await findRuns(state, "ab")).map(({ id }) => id)).toEqual(["ab1", "ab2"]);
  expect((await findRuns(state, "c")).map(({ id }) => id)).toEqual(["c%"]);
  expect(await findRuns(state, "%")).toEqual([]);
});
