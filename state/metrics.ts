import type { StateDatabase } from "./database.ts";

/** A number that was measured: of which thing, by its labels. */
export interface Measurement {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

export interface MetricSeries {
  id: number;
  name: string;
  labels: Record<string, string>;
  total: number;
  lastValue: number;
  lastAt: string;
}

export interface MetricPoint {
  at: string;
  runId: string;
  value: number;
}

/** Series and points go into the store this many at once: SQLite takes 32,766 parameters in a statement. */
const ROWS_AT_ONCE = 500;

/** Keeps what was measured in a run. The same series twice in one run: the later one counts. */
export async function keepMetrics(
  state: StateDatabase,
  { runId, at, points }: { runId: string; at: Date; points: readonly Measurement[] },
): Promise<void> {
  const measured = new Map(
    points
      .filter(({ value }) => Number.isFinite(value))
      .map(({ name, labels, value }) => {
        const text = labelsText(labels);
        return [`${name} ${text}`, { name, labels: text, value }];
      }),
  );
  if (measured.size === 0) return;
  const kept = [...measured.values()];
  const time = at.toISOString();
  await state.transaction().execute(async (changes) => {
    for (let from = 0; from < kept.length; from += ROWS_AT_ONCE) {
      const some = kept.slice(from, from + ROWS_AT_ONCE);
      const series = await changes
        .insertInto("metric_series")
        .values(
          some.map(({ name, labels, value }) => ({
            name,
            labels,
            total: value,
            last_value: value,
            last_at: time,
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(["name", "labels"]).doUpdateSet((row) => ({
            total: row("metric_series.total", "+", row.ref("excluded.total")),
            last_value: row.ref("excluded.last_value"),
            last_at: row.ref("excluded.last_at"),
          })),
        )
        .returning(["id", "last_value"])
        .execute();
      await changes
        .insertInto("metric_points")
        .values(
          series.map(({ id, last_value }) => ({ series_id: id, at: time, run_id: runId, value: last_value })),
        )
        .onConflict((conflict) => conflict.doUpdateSet((row) => ({ value: row.ref("excluded.value") })))
        .execute();
    }
  });
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))));
}

/** All that was ever measured, or what has this name, by name and labels. */
export async function listSeries(state: StateDatabase, name?: string): Promise<MetricSeries[]> {
  let query = state.selectFrom("metric_series").selectAll();
  if (name !== undefined) query = query.where("name", "=", name);
  const rows = await query.orderBy("name").orderBy("labels").execute();
  return rows.map(({ id, name, labels, total, last_value, last_at }) => ({
    id,
    name,
    labels: JSON.parse(labels) as Record<string, string>, // written by labelsText
    total,
    lastValue: last_value,
    lastAt: last_at,
  }));
}

export interface PointFilter {
  /** ISO, UTC: then or later. */
  since?: string | undefined;
  /** ISO, UTC: before. */
  until?: string | undefined;
  limit?: number | undefined;
}

/** The points of a series in order of time; of more than `limit` the newest. */
export async function readPoints(
  state: StateDatabase,
  seriesId: number,
  { since, until, limit }: PointFilter = {},
): Promise<MetricPoint[]> {
  let query = state
    .selectFrom("metric_points")
    .select(["at", "run_id as runId", "value"])
    .where("series_id", "=", seriesId);
  if (since !== undefined) query = query.where("at", ">=", since);
  if (until !== undefined) query = query.where("at", "<", until);
  if (limit !== undefined) query = query.limit(limit);
  return (await query.orderBy("at", "desc").orderBy("run_id", "desc").execute()).reverse();
}

/** What one run measured. */
export async function metricsOfRun(state: StateDatabase, runId: string): Promise<Measurement[]> {
  const rows = await state
    .selectFrom("metric_points")
    .innerJoin("metric_series", "metric_series.id", "metric_points.series_id")
    .select(["name", "labels", "value"])
    .where("run_id", "=", runId)
    .orderBy("name")
    .orderBy("labels")
    .execute();
  return rows.map(({ name, labels, value }) => ({ name, labels: JSON.parse(labels), value }));
}
