import { describe, expect, test } from "vitest";
import {
  batchWindows,
  parseEventTime,
  timestampText,
} from "../../../runner/build/materializations/batch-windows.ts";
import type { BatchSize } from "../../../runner/graph/nodes.ts";
import { runResultEntries } from "../../../runner/to-artifacts/results.ts";
import { createProject, mistakesIn, openWarehouse } from "../project.ts";

const at = (text: string) => parseEventTime(text) ?? new Date(Number.NaN);

describe("the batches of a run", () => {
  const starts = (
    size: BatchSize,
    run: { now: string; isIncremental: boolean; lookback?: number; range?: [string, string] },
  ) => {
    const { now, isIncremental, lookback = 1, range } = run;
    const windows = batchWindows(
      { begin: at("2023-12-30"), size, lookback },
      {
        now: at(now),
        isIncremental,
        ...(range ? { range: { start: at(range[0]), end: at(range[1]) } } : {}),
      },
    );
    return windows.map(({ start, end }) =>
      `${timestampText(start)} ${timestampText(end)}`.replaceAll(" 00:00:00", ""),
    );
  };

  test("are the latest and those of the look-back when the table is there", () => {
    expect(starts("day", { now: "2024-03-01 05:00", isIncremental: true })).toEqual([
      "2024-02-29 2024-03-01",
      "2024-03-01 2024-03-02",
    ]);
    expect(starts("day", { now: "2024-03-01", isIncremental: true, lookback: 0 })).toEqual([
      "2024-02-29 2024-03-01",
    ]);
    expect(starts("month", { now: "2024-01-31 12:00", isIncremental: true })).toEqual([
      "2023-12-01 2024-01-01",
      "2024-01-01 2024-02-01",
    ]);
  });

  test("are all of them from its begin when it is built anew", () => {
    expect(starts("year", { now: "2025-06-01", isIncremental: false })).toEqual([
      "2023-01-01 2024-01-01",
      "2024-01-01 2025-01-01",
      "2025-01-01 2026-01-01",
    ]);
    expect(starts("day", { now: "2024-01-02", isIncremental: false })).toHaveLength(3);
  });

  test("are those of the range that was asked for", () => {
    const run = {
      now: "2030-01-01",
      isIncremental: true,
      range: ["2024-01-01 22:30", "2024-01-02 00:30"] as [string, string],
    };
    expect(starts("hour", run)).toEqual([
      "2024-01-01 22:00:00 2024-01-01 23:00:00",
      "2024-01-01 23:00:00 2024-01-02",
      "2024-01-02 2024-01-02 01:00:00",
    ]);
  });

  test.each(["2024-13-01", "yesterday", "2024-1-1", "", "1e3"])("begin with no time such as %j", (text) => {
    expect(parseEventTime(text)).toBeUndefined();
  });
});

const FILES = {
  "models/s.yml": "sources: [{name: api, tables: [{name: plays, config: {event_time: played_at}}]}]",
  "models/plays.sql": "{{ config(event_time='played_at') }}select * from {{ source('api', 'plays') }}",
  "models/daily.sql":
    "{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='played_at', batch_size='day', begin='2024-01-01', lookback=0) }}\nselect played_at, cast(n as integer) as n, {{#if (is_incremental)}}true{{else}}false{{/if}} as again\nfrom {{ ref('plays') }}",
};
const range = (start: string, end: string) => ({ eventTime: { start: at(start), end: at(end) } });

async function started(files: Record<string, string> = {}) {
  const project = createProject({ ...FILES, ...files });
  const warehouse = await openWarehouse(project);
  await warehouse.session.run("create schema api");
  await warehouse.session.run(
    "create table api.plays as select timestamp '2024-01-01 12:00:00' + to_days(cast(d as integer)) as played_at, cast(d as varchar) as n from range(4) as days(d)",
  );
  const build = async (options: object) =>
    (await warehouse.build(options)).find(({ node }) => node.name === "daily");
  const rows = async () => (await warehouse.session.query("select n, again from main.daily order by 1")).rows;
  return { project, warehouse, build, rows };
}

describe("a microbatch model", () => {
  test("reads and replaces batch by batch, and again with the same outcome", async () => {
    const { warehouse, build, rows } = await started();
    const first = await build(range("2024-01-01", "2024-01-04"));
    expect([first?.status, first?.rows, first?.batches?.successful.length]).toEqual(["success", 3, 3]);
    expect(await rows()).toEqual([
      [0, false],
      [1, true],
      [2, true],
    ]);
    await warehouse.session.run("update api.plays set n = '20' where n = '2'");
    await build(range("2024-01-03", "2024-01-05"));
    await build(range("2024-01-03", "2024-01-05"));
    expect(await rows()).toEqual([
      [0, false],
      [1, true],
      [3, true],
      [20, true],
    ]);
  });

  test("keeps the batches that go when one does not, and says how to do it again", async () => {
    const { project, warehouse, build, rows } = await started();
    await build(range("2024-01-01", "2024-01-02"));
    await warehouse.session.run("update api.plays set n = 'x' where n = '1'");
    const result = await build(range("2024-01-01", "2024-01-04"));
    expect(result).toMatchObject({
      status: "partial success",
      rows: 2,
      error: { code: "MODEL_SQL", where: "models/daily.sql:2:19" },
    });
    expect(await rows()).toEqual([
      [0, true],
      [2, true],
    ]);
    expect(project.log.find(({ event }) => event === "batches_failed")?.message).toContain(
      'run models --select daily --event-time-start "2024-01-02 00:00:00" --event-time-end "2024-01-03 00:00:00"',
    );
    const [entry] = result === undefined ? [] : runResultEntries(project.scope(), [result], new Map());
    expect(entry).toMatchObject({
      status: "partial success",
      batch_results: {
        successful: [
          ["2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z"],
          ["2024-01-03T00:00:00.000Z", "2024-01-04T00:00:00.000Z"],
        ],
        failed: [["2024-01-02T00:00:00.000Z", "2024-01-03T00:00:00.000Z"]],
      },
    });
  });

  test("makes no table when a batch of the first run fails, so that the next run makes all of it", async () => {
    const { warehouse, build, rows } = await started();
    await warehouse.session.run("update api.plays set n = 'x' where n = '1'");
    const result = await build(range("2024-01-01", "2024-01-04"));
    expect(result).toMatchObject({ status: "error", error: { where: "models/daily.sql:2:19" } });
    expect((await warehouse.engine.relations()).has("main.daily")).toBe(false);
    await warehouse.session.run("update api.plays set n = '1' where n = 'x'");
    expect(await build(range("2024-01-01", "2024-01-04"))).toMatchObject({ status: "success" });
    expect(await rows()).toHaveLength(3);
  });

  test("is refreshed as a whole, or stays as it was", async () => {
    const { warehouse, build, rows } = await started();
    await build(range("2024-01-01", "2024-01-04"));
    await warehouse.session.run("update api.plays set n = 'x' where n = '2'");
    const result = await build({ ...range("2024-01-01", "2024-01-04"), isFullRefresh: true });
    expect(result?.status).toBe("error");
    expect(await rows()).toEqual([
      [0, false],
      [1, true],
      [2, true],
    ]);
  });

  test.each([
    ["batch_size='day'", "a microbatch model needs event_time, begin"],
    ["batch_size='week', event_time='t', begin='2024-01-01'", 'config "batch_size" cannot be "week"'],
    ["batch_size='day', event_time='t', begin='soon'", 'begin is no time: "soon"'],
  ])("with %s is a mistake of the project", (config, message) => {
    const sql = `{{ config(materialized='incremental', incremental_strategy='microbatch', ${config}) }}select 1`;
    expect(mistakesIn({ "models/m.sql": sql })).toMatchObject([
      { code: "CONFIG_INVALID", message: expect.stringContaining(message) },
    ]);
  });
});
