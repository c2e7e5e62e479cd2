import { describe, expect, test } from "vitest";
import { createSessionPool } from "../../runner/build/session-pool.ts";
import { checkFreshness, compileFreshness, sourcesToCheck } from "../../runner/freshness/freshness.ts";
import { sourcesOf } from "../../runner/graph/nodes.ts";
import { freshnessEntries } from "../../runner/to-artifacts/results.ts";
import { createProject, openWarehouse } from "./project.ts";

const NOW = new Date("2026-03-10T12:00:00.000Z");
const RULE = "freshness: {warn_after: {count: 12, period: hour}, error_after: {count: 2, period: day}}";

/** Asks one table `raw.t` with a column `seen` that holds these times. */
async function ask(times: string[], table: string, type = "timestamp") {
  const project = createProject({ "models/s.yml": `sources: [{name: raw, tables: [{name: t, ${table}}]}]` });
  const { engine, session } = await openWarehouse(project);
  await session.run("create schema raw");
  const rows = times.map((time) => `('${time}')`).join(", ");
  await session.run(
    `create table raw.t as select cast(seen as ${type}) as seen from (values ('2020-01-01')${rows && `, ${rows}`}) as v(seen) where seen <> '2020-01-01'`,
  );
  const scope = project.scope();
  const ctx = { ...project.ctx, clock: { ...project.ctx.clock, now: () => NOW } };
  const sources = sourcesToCheck(scope, new Set(sourcesOf(scope.graph).map(({ id }) => id)));
  const queries = compileFreshness(ctx, scope, sources);
  return checkFreshness(ctx, createSessionPool(engine, 1), { sources, queries });
}

describe("freshness", () => {
  test.each([
    ["2026-03-10 11:00:00", "pass", 3600],
    ["2026-03-09 12:00:00", "warn", 86_400],
    ["2026-03-01 12:00:00", "error", 777_600],
  ])("of a table loaded at %s is %s", async (time, status, ageSeconds) => {
    const results = await ask(["2026-02-01 00:00:00", time], `loaded_at_field: seen, ${RULE}`);
    expect(results).toMatchObject([{ status, ageSeconds, error: null }]);
  });

  test("of a table without rows is an error, as in dbt", async () => {
    const results = await ask([], `loaded_at_field: seen, ${RULE}`);
    expect(results).toMatchObject([{ status: "error", maxLoadedAt: null }]);
    expect(freshnessEntries(results)[0]).toMatchObject({ max_loaded_at: "0001-01-01T00:00:00.000Z" });
  });

  test("reads texts with a zone, queries and filters", async () => {
    const text = await ask(["2026-03-10T13:00:00+02:00"], `loaded_at_field: seen, ${RULE}`, "varchar");
    expect(text).toMatchObject([{ ageSeconds: 3600 }]);
    const query = `loaded_at_query: "select min(seen) from {{ this }};", ${RULE}`;
    expect(await ask(["2026-03-08 13:00:00", "2026-03-10 11:00:00"], query)).toMatchObject([
      { status: "warn", ageSeconds: 169_200 },
    ]);
    const filter = `loaded_at_field: seen, freshness: {warn_after: {count: 1, period: day}, filter: "seen < date '2026-03-09'"}`;
    expect(await ask(["2026-03-08 13:00:00", "2026-03-10 11:00:00"], filter)).toMatchObject([
      { status: "warn" },
    ]);
  });

  test("that cannot be asked says why and goes on", async () => {
    const [noField] = await ask([], RULE);
    expect(noField).toMatchObject({
      status: "runtime error",
      error: {
        code: "FRESHNESS_FIELD",
        message: "raw.t has freshness, and nothing says when its rows were loaded",
        where: "models/s.yml:1:39",
        hint: "give it loaded_at_field: a column with that time, or loaded_at_query",
      },
    });
    const [wrong] = await ask([], `loaded_at_field: seem, ${RULE}`);
    expect(wrong?.error).toMatchObject({
      code: "FRESHNESS_SQL",
      where: "models/s.yml:1:39",
      hint: "correct loaded_at_field, loaded_at_query or filter",
    });
  });

  test("is an entry with dbt's keys in sources.json", async () => {
    const results = await ask(["2026-03-10 11:00:00"], `loaded_at_field: seen, ${RULE}`);
    expect(freshnessEntries(results)).toEqual([
      {
        unique_id: "source.shop.raw.t",
        max_loaded_at: "2026-03-10T11:00:00.000Z",
        snapshotted_at: "2026-03-10T12:00:00.000Z",
        max_loaded_at_time_ago_in_s: 3600,
        status: "pass",
        criteria: {
          warn_after: { count: 12, period: "hour" },
          error_after: { count: 2, period: "day" },
          filter: null,
        },
        adapter_response: {},
        timing: [{ name: "execute", started_at: NOW.toISOString(), completed_at: NOW.toISOString() }],
        thread_id: "Thread-1",
        execution_time: 0,
      },
    ]);
  });
});
