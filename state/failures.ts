import type { Context } from "../core/context.ts";
import type { StateDatabase } from "./database.ts";

/** A data test that failed or warned, with the first of the rows that break it. */
export interface TestFailure {
  /** The test's id. */
  test: string;
  name: string;
  status: "fail" | "warn";
  /** How many rows break it. */
  failures: number;
  columns: string[];
  /** Values as JSON holds them. */
  rows: unknown[][];
}

/** Runs whose rows are kept, tests of a run, and characters of a value: the store does not grow without end. */
const KEPT = { runs: 50, tests: 200, characters: 1000 } as const;

/** Keeps the failing rows of this run, secrets masked, and forgets those of the oldest runs. */
export async function keepFailures(
  ctx: Context,
  state: StateDatabase,
  failures: readonly TestFailure[],
): Promise<void> {
  if (failures.length === 0) return;
  const kept = failures
    .slice(0, KEPT.tests)
    .map(({ test, name, status, failures, columns, rows }, place) => ({
      run_id: ctx.invocationId,
      place,
      test,
      name,
      status,
      failures,
      columns: JSON.stringify(columns),
      rows: JSON.stringify(rows.map((row) => row.map((value) => shortened(ctx, value)))),
    }));
  await state.transaction().execute(async (changes) => {
    for (const row of kept) await changes.insertInto("failures").values(row).execute();
    const newest = changes
      .selectFrom("runs")
      .select("id")
      .where("id", "in", changes.selectFrom("failures").select("run_id"))
      .orderBy("queued_at", "desc")
      .orderBy("id")
      .limit(KEPT.runs);
    await changes.deleteFrom("failures").where("run_id", "not in", newest).execute();
  });
}

function shortened(ctx: Context, value: unknown): unknown {
  if (value === null || typeof value === "number" || typeof value === "boolean") return value;
  const text = ctx.secrets.mask(typeof value === "string" ? value : JSON.stringify(value));
  const isLong = text.length > KEPT.characters;
  if (isLong) return `${text.slice(0, KEPT.characters)}…`;
  return typeof value === "string" ? text : JSON.parse(text);
}

/** What was kept of a run, in the order in which its tests were reported. */
export async function listFailures(state: StateDatabase, runId: string): Promise<TestFailure[]> {
  const rows = await state
    .selectFrom("failures")
    .selectAll()
    .where("run_id", "=", runId)
    .orderBy("place")
    .execute();
  return rows.map(({ test, name, status, failures, columns, rows }) => ({
    test,
    name,
    status,
    failures,
    columns: JSON.parse(columns),
    rows: JSON.parse(rows),
  }));
}
