import type { StateDatabase } from "../../state/database.ts";
import { listSeries, type MetricSeries, readPoints } from "../../state/metrics.ts";
import type { MetricName } from "../metrics/catalog.ts";
import { medianOf } from "../metrics/robust.ts";
import type { Freshness, KindCount, ModelTime, StreamVolume, Stretch, TableQuality } from "./report.ts";
import { usualOf } from "./usual.ts";

/** Stretches of the same length before, for what is usual. */
const FORMER = 7;
const MIN_FORMER = 3;
/** Values of a series that are looked at. */
const SAMPLES = 200;
const SLOWEST = 10;

interface Sum {
  labels: Record<string, string>;
  sum: number;
  count: number;
}

/** The series of these metrics that have points in a stretch of time, each with their sum. */
async function sums(
  state: StateDatabase,
  names: readonly MetricName[],
  { since, until }: Stretch,
): Promise<(Sum & { name: string })[]> {
  const rows = await state
    .selectFrom("metric_series")
    .innerJoin("metric_points", "metric_points.series_id", "metric_series.id")
    .select(["metric_series.name", "metric_series.labels"])
    .select((row) => [row.fn.sum<number>("value").as("sum"), row.fn.countAll<number>().as("count")])
    .where("metric_series.name", "in", names)
    .where("metric_points.at", ">=", since)
    .where("metric_points.at", "<", until)
    .groupBy(["metric_series.name", "metric_series.labels"])
    .execute();
  return rows.map(({ name, labels, sum, count }) => ({
    name,
    labels: JSON.parse(labels) as Record<string, string>, // written by keepMetrics
    sum: Number(sum),
    count: Number(count),
  }));
}

/** What the loads of each stream brought, beside what they usually bring. */
export async function readStreams(state: StateDatabase, stretch: Stretch): Promise<StreamVolume[]> {
  const found = await sums(state, ["stream_records", "stream_failed"], stretch);
  const former: Map<string, number>[] = [];
  for (const one of found.length === 0 ? [] : stretchesBefore(stretch))
    former.push(broughtBy(await sums(state, ["stream_records"], one)));
  const names = [...new Set(found.map(streamOf))].sort();
  const brought = broughtBy(found);
  return names.map((name) => {
    const own = found.filter((one) => streamOf(one) === name);
    const of = (outcome: string) => own.find(({ labels }) => labels.outcome === outcome)?.sum ?? 0;
    const loads = own.find((one) => one.name === "stream_failed");
    const before = former.flatMap((one) => one.get(name) ?? []);
    const outcomes = own.filter((one) => one.name === "stream_records");
    return {
      name,
      loads: loads?.count ?? 0,
      failed_loads: loads?.sum ?? 0,
      received: outcomes.reduce((sum, one) => sum + (one.labels.outcome === "deleted" ? 0 : one.sum), 0),
      new: of("new"),
      changed: of("changed"),
      unchanged: of("unchanged"),
      duplicate: of("duplicate"),
      deleted: of("deleted"),
      quarantined: of("quarantined"),
      usual: before.length < MIN_FORMER ? null : medianOf(before),
      recent: [...before, brought.get(name) ?? 0],
    };
  });
}

/** In order of time. */
function stretchesBefore({ since, until }: Stretch): Stretch[] {
  const [from, length] = [Date.parse(since), Date.parse(until) - Date.parse(since)];
  return Array.from({ length: FORMER }, (_, place) => {
    const start = from - (FORMER - place) * length;
    return { since: timeOf(start), until: timeOf(start + length) };
  });
}

/** Before 1970 nothing was measured. */
function timeOf(ms: number): string {
  return new Date(Math.max(0, ms)).toISOString();
}

/** New and changed records by stream. */
function broughtBy(found: readonly (Sum & { name: string })[]): Map<string, number> {
  const brought = new Map<string, number>();
  for (const one of found)
    if (one.name === "stream_records" && ["new", "changed"].includes(one.labels.outcome ?? ""))
      brought.set(streamOf(one), (brought.get(streamOf(one)) ?? 0) + one.sum);
  return brought;
}

function streamOf({ labels }: Pick<Sum, "labels">): string {
  return `${labels.source}.${labels.stream}`;
}

/** The models whose builds took longest. */
export async function readModels(state: StateDatabase, { since, until }: Stretch): Promise<ModelTime[]> {
  const found = await sums(state, ["model_duration_seconds"], { since, until });
  const slowest = found.toSorted((a, b) => b.sum / b.count - a.sum / a.count).slice(0, SLOWEST);
  const series = slowest.length === 0 ? [] : await listSeries(state, "model_duration_seconds");
  const models: ModelTime[] = [];
  for (const { labels, count } of slowest) {
    const id = series.find((one) => one.labels.model === labels.model)?.id ?? 0;
    const here = (await readPoints(state, id, { since, until, limit: SAMPLES })).map(({ value }) => value);
    const before = (await readPoints(state, id, { until: since, limit: SAMPLES })).map(({ value }) => value);
    models.push({
      name: labels.model ?? "",
      builds: count,
      median_seconds: medianOf(here),
      longest_seconds: Math.max(...here),
      usual_seconds: usualOf(before)?.median ?? null,
    });
  }
  return models.sort((a, b) => b.median_seconds - a.median_seconds);
}

/** What the tests found last of each table, worst first. */
export async function readTables(state: StateDatabase, { since, until }: Stretch): Promise<TableQuality[]> {
  const rows = await measuredBefore(state, "table_rows", until);
  const missing = await measuredBefore(state, "table_missing_ratio", until);
  const duplicates = await measuredBefore(state, "table_duplicate_ratio", until);
  const tables: TableQuality[] = [];
  for (const { id, labels, lastValue, lastAt } of rows) {
    const [before] = await readPoints(state, id, { until: since, limit: 1 });
    const repeated = duplicates
      .filter((one) => one.labels.table === labels.table)
      .map((one) => one.lastValue);
    tables.push({
      name: labels.table ?? "",
      rows: lastValue,
      rows_before: before?.value ?? null,
      duplicate_ratio: repeated.length === 0 ? null : Math.max(...repeated),
      missing: missing
        .filter((one) => one.labels.table === labels.table && one.lastValue > 0)
        .map((one) => ({ column: one.labels.column ?? "", ratio: one.lastValue }))
        .sort((a, b) => b.ratio - a.ratio || (a.column < b.column ? -1 : 1)),
      measured_at: lastAt,
    });
  }
  const worst = ({ duplicate_ratio, missing: [first] }: TableQuality) =>
    (duplicate_ratio ?? 0) * 10 + (first?.ratio ?? 0);
  return tables.sort((a, b) => worst(b) - worst(a) || (a.name < b.name ? -1 : 1));
}

async function measuredBefore(
  state: StateDatabase,
  name: MetricName,
  until: string,
): Promise<MetricSeries[]> {
  return (await listSeries(state, name)).filter(({ lastAt }) => lastAt < until);
}

/** How old the newest row of each source's table, and of each table with an event time, is by now. */
export async function readFreshness(state: StateDatabase, { until }: Stretch): Promise<Freshness[]> {
  const sources = await measuredBefore(state, "source_freshness_seconds", until);
  const tables = await measuredBefore(state, "table_freshness_seconds", until);
  return [...sources, ...tables]
    .map(({ labels, lastValue, lastAt }) => ({
      name: labels.table ?? streamOf({ labels }),
      age_seconds: lastValue + (Date.parse(until) - Date.parse(lastAt)) / 1000,
      measured_at: lastAt,
    }))
    .sort((a, b) => b.age_seconds - a.age_seconds);
}

/** Errors and warnings by their kinds. */
export async function readProblems(state: StateDatabase, stretch: Stretch): Promise<KindCount[]> {
  const found = await sums(state, ["run_errors", "run_warnings"], stretch);
  const kinds = [...new Set(found.map(({ labels }) => labels.kind ?? ""))].sort();
  const of = (name: string, kind: string) =>
    found.find((one) => one.name === name && one.labels.kind === kind)?.sum ?? 0;
  return kinds
    .map((kind) => ({ kind, errors: of("run_errors", kind), warnings: of("run_warnings", kind) }))
    .filter(({ errors, warnings }) => errors + warnings > 0);
}
