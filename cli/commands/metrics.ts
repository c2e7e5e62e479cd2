import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { isMetric, METRIC_NAMES, metricOf } from "../../monitor/metrics/catalog.ts";
import { openState } from "../../state/database.ts";
import { listSeries, type MetricPoint, type MetricSeries, readPoints } from "../../state/metrics.ts";
import type { Outcome } from "../outcome.ts";
import { formatCount, formatTable, plural } from "../print.ts";
import { sinceTime } from "../since.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";

/** `run metrics ls`: what was measured, and each one's newest value. */
export async function runMetricsLs(workspace: Workspace, { colors }: Terminal): Promise<Outcome> {
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    const series = await listSeries(state);
    const rows = series.map((one) => [
      one.name,
      formatLabels(one.labels),
      formatValue(one.lastValue),
      metricOf(one.name)?.type === "counter" ? formatValue(one.total) : "",
      one.lastAt.slice(0, 19).replace("T", " "),
    ]);
    const summary =
      series.length === 0
        ? "nothing was measured yet: run ingest, models, test, build or pipeline"
        : `${formatCount(series.length)} series of ${plural(new Set(series.map(({ name }) => name)).size, "metric")}`;
    const table = formatTable(["metric", "of", "last", "total", "at (UTC)"], rows, colors);
    return {
      exitCode: EXIT.ok,
      summary,
      text: series.length === 0 ? summary : `${table}\n\n${summary}`,
      json: { series: series.map(seriesJson) },
    };
  } finally {
    await state.destroy();
  }
}

/** Points that are shown of a series; `--json` has all. */
const SHOWN = 20;

/** `run metrics show NAME`: the values of a metric over time. */
export async function runMetricsShow(
  workspace: Workspace,
  { colors }: Terminal,
  { name, since }: { name: string; since?: string | undefined },
): Promise<Outcome> {
  const metric = metricOf(name);
  if (!isMetric(name) || metric === undefined) throw metricUnknown(name, "run metrics show");
  const from = since === undefined ? undefined : sinceTime(since, workspace.ctx.clock.now());
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    const found: { series: MetricSeries; points: MetricPoint[] }[] = [];
    for (const series of await listSeries(state, name)) {
      const points = await readPoints(state, series.id, { since: from });
      if (points.length > 0) found.push({ series, points });
    }
    const summary = `${name}: ${formatCount(found.length)} series, ${plural(sumOf(found), "point")}`;
    const tables = found.map(({ series, points }) => {
      const rows = points
        .slice(-SHOWN)
        .map(({ at, runId, value }) => [
          at.slice(0, 19).replace("T", " "),
          formatValue(value),
          runId.slice(0, 8),
        ]);
      const title = colors.bold(formatLabels(series.labels) || name);
      return `${title}\n${formatTable(["at (UTC)", "value", "run"], rows, colors)}`;
    });
    return {
      exitCode: EXIT.ok,
      summary,
      text: [metric.help, ...tables, summary].join("\n\n"),
      json: {
        name,
        type: metric.type,
        help: metric.help,
        series: found.map(({ series, points }) => ({
          ...seriesJson(series),
          points: points.map(({ at, runId, value }) => ({ at, run_id: runId, value })),
        })),
      },
    };
  } finally {
    await state.destroy();
  }
}

function sumOf(found: readonly { points: readonly unknown[] }[]): number {
  return found.reduce((sum, { points }) => sum + points.length, 0);
}

function metricUnknown(name: string, where: string): ProjectError {
  return new ProjectError("METRIC_UNKNOWN", {
    message: `no metric is called "${name}"`,
    where,
    why: nearestLine(name, METRIC_NAMES),
    hint: "see run metrics ls",
    exitCode: EXIT.usage,
  });
}

function seriesJson({ name, labels, total, lastValue, lastAt }: MetricSeries) {
  return {
    name,
    labels,
    last: lastValue,
    last_at: lastAt,
    ...(metricOf(name)?.type === "counter" ? { total } : {}),
  };
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

/** Up to four digits behind the point of small numbers, none of large ones. */
function formatValue(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value >= 1000 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
}
