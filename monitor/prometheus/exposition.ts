import type { MetricSeries } from "../../state/metrics.ts";
import { type Metric, metricOf } from "../metrics/catalog.ts";

/** What every name at /metrics begins with. */
const PREFIX = "sillon_";

/**
 * The series in Prometheus' text format 0.0.4: base units, `_total` behind counters, a help text for each name. Ages are
 * as old as they are at `now`.
 */
export function prometheusText(series: readonly MetricSeries[], now: Date): string {
  const byName = new Map<string, MetricSeries[]>();
  for (const one of series) byName.set(one.name, [...(byName.get(one.name) ?? []), one]);
  return [...byName]
    .flatMap(([name, all]) => {
      const metric = metricOf(name);
      return metric === undefined ? [] : [family(name, metric, { all, now })];
    })
    .join("");
}

function family(
  name: string,
  metric: Metric,
  { all, now }: { all: readonly MetricSeries[]; now: Date },
): string {
  const full = `${PREFIX}${name}${metric.type === "counter" ? "_total" : ""}`;
  const lines = all.map((one) => `${full}${labelsText(one.labels)} ${currentValue(one, metric, now)}`);
  const help = metric.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return `# HELP ${full} ${help}\n# TYPE ${full} ${metric.type}\n${lines.join("\n")}\n`;
}

/** What a series stands at. */
export function currentValue(
  { total, lastValue, lastAt }: Pick<MetricSeries, "total" | "lastValue" | "lastAt">,
  metric: Metric,
  now: Date,
): number {
  if (metric.type === "counter") return total;
  const passed = metric.isAge ? Math.max(0, (now.getTime() - Date.parse(lastAt)) / 1000) : 0;
  return lastValue + passed;
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const parts = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
