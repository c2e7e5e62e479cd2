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

/** Keeps what was measured in a run. The same series twice in one run: the later one counts. */
export async function keepMetrics(
  state: StateDatabase,
  { runId, at, points }: { runId: string; at: Date; points: readonly Measurement[] },
): Promise<void> {
  const measured = new Map(
    points
      .filter(({ value }) => Number.isFinite(value))
      .map((point) => [`${point.name} ${labelsText(point.labels)}`, point]),
  );
  if (measured.size === 0) return;
  const time = at.toISOString();
  await state.transaction().execute(async (changes) => {
    for (const { name, labels, value } of measured.values()) {
      const { id } = await changes
        .insertInto("metric_series")
        .values({ name, labels: labelsText(labels), total: value, last_value: value, last_at: time })
        .onConflict((conflict) =>
          conflict.columns(["name", "labels"]).doUpdateSet((row) => ({
            total: row("metric_series.total", "+", value),
            last_value: value,
            last_at: time,
          })),
        )
        .returning("id")
        .executeTakeFirstOrThrow();
      await changes
        .insertInto("metric_points")
        .values({ series_id: id, at: time, run_id: runId, value })
        .onConflict((conflict) => conflict.doUpdateSet({ value }))
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
