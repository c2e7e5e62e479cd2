import { expect, test } from "vitest";
import { METRIC_NAMES, METRICS } from "../../monitor/metrics/catalog.ts";
import { prometheusText } from "../../monitor/prometheus/exposition.ts";
import { keepMetrics, listSeries, metricsOfRun, readPoints } from "../../state/metrics.ts";
import { pruneRuns } from "../../state/retention.ts";
import { emptyRun } from "../../state/runs.ts";
import { parsePrometheus } from "./prometheus-parser.ts";
import { stateGround } from "./state.ts";

const labels = { source: "shop", stream: "orders" };

test("what runs measure becomes series of points, and counters go on adding up", async () => {
  const { state } = stateGround();
  for (const [day, value] of [5, 7, 9].entries())
    await keepMetrics(state, {
      runId: `run-${day}`,
      at: new Date(`2026-03-0${day + 1}T00:00:00Z`),
      points: [
        { name: "stream_requests", labels, value },
        { name: "stream_requests", labels: { stream: "orders", source: "shop" }, value },
        { name: "run_failed", labels: { command: "build" }, value: Number.NaN },
      ],
    });
  const [series, ...others] = await listSeries(state);
  expect(others).toEqual([]);
  expect(series).toMatchObject({ name: "stream_requests", labels, total: 21, lastValue: 9 });
  const points = await readPoints(state, series?.id ?? 0, { since: "2026-03-02T00:00:00.000Z" });
  expect(points.map(({ value, runId }) => [value, runId])).toEqual([
    [7, "run-1"],
    [9, "run-2"],
  ]);
  expect(await metricsOfRun(state, "run-1")).toEqual([{ name: "stream_requests", labels, value: 7 }]);
});

test("points go with their runs, and the totals stay", async () => {
  const { state, folder } = stateGround();
  const at = "2025-01-01T00:00:00.000Z";
  const run = {
    id: "old",
    command: "build",
    invocation: "build",
    trigger: "hand",
    status: "success",
  } as const;
  await state
    .insertInto("runs")
    .values(emptyRun({ ...run, queued_at: at }))
    .execute();
  const points = [{ name: "stream_requests", labels, value: 4 }];
  await keepMetrics(state, { runId: "old", at: new Date(at), points });
  await pruneRuns(state, folder, { now: new Date("2026-01-01"), keep: { days: 30, runs: 10 } });
  expect(await metricsOfRun(state, "old")).toEqual([]);
  expect(await listSeries(state)).toMatchObject([{ total: 4 }]);
});

test("/metrics has help, types, base units and totals, and ages that go on", async () => {
  const { state, clock } = stateGround();
  await keepMetrics(state, {
    runId: "one",
    at: clock.now(),
    points: [
      { name: "stream_bytes", labels, value: 1024 },
      { name: "run_duration_seconds", labels: { command: 'say "a\\b"\nc' }, value: 1.5e-7 },
      { name: "run_success_age_seconds", labels: { command: "build" }, value: 0 },
      { name: "gone_with_a_release", labels: {}, value: 1 },
    ],
  });
  clock.pass(90_000);
  const families = parsePrometheus(prometheusText(await listSeries(state), clock.now()));
  expect([...families.keys()]).toEqual([
    "sillon_run_duration_seconds",
    "sillon_run_success_age_seconds",
    "sillon_stream_bytes_total",
  ]);
  expect(families.get("sillon_stream_bytes_total")).toMatchObject({ samples: [{ labels, value: 1024 }] });
  expect(families.get("sillon_run_success_age_seconds")?.samples[0]?.value).toBe(90);
  expect(families.get("sillon_run_duration_seconds")?.samples[0]).toMatchObject({
    labels: { command: 'say "a\\b"\nc' },
    value: 1.5e-7,
  });
});

test("names keep to base units, and each metric is described", () => {
  const UNITS = /(_milliseconds|_ms|_minutes|_hours|_kilobytes|_megabytes|_percent|_total)$/;
  expect(METRIC_NAMES.filter((name) => UNITS.test(name) || !/^[a-z]+(_[a-z]+)*$/.test(name))).toEqual([]);
  expect(METRIC_NAMES.filter((name) => !METRICS[name].help.endsWith("."))).toEqual([]);
});
