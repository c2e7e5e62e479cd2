import type { StateDatabase } from "../../state/database.ts";
import { listSeries, type MetricSeries, readPoints } from "../../state/metrics.ts";
import type { Findings } from "../incidents/finding.ts";
import { metricOf } from "../metrics/catalog.ts";
import { currentValue } from "../prometheus/exposition.ts";
import type { MonitorSettings, Rule } from "../settings.ts";
import { judge, reachOf, shown } from "./judge.ts";

export type Labels = Readonly<Record<string, string>>;

/** Judges, by all rules, the series that have a point of this moment, or, without one, those whose values grow with time. */
export async function evaluateRules(
  state: StateDatabase,
  { rules, timezone }: Pick<MonitorSettings, "rules" | "timezone">,
  { now, measuredAt }: { now: Date; measuredAt?: Date | undefined },
): Promise<Findings> {
  const findings: Findings = { bad: [], good: [] };
  for (const rule of rules) {
    const metric = metricOf(rule.metric);
    if (metric === undefined) continue;
    for (const series of await listSeries(state, rule.metric)) {
      if (!isMatch(rule, series.labels)) continue;
      const isNew = measuredAt !== undefined && series.lastAt === measuredAt.toISOString();
      if (!isNew && !(measuredAt === undefined && metric.isAge)) continue;
      // A counter's series is judged by what a run added.
      const value = metric.type === "counter" ? series.lastValue : currentValue(series, metric, now);
      const before = await pointsBefore(state, rule, { series, now });
      const verdict = judge(rule, { value, at: now, before, timezone });
      if (verdict === undefined) continue;
      const key = `rule:${rule.name} ${labelsText(series.labels)}`.trim();
      if (!verdict.isBad) findings.good.push(key);
      else
        findings.bad.push({
          key,
          about: subjectOf(series.labels),
          rule: rule.name,
          severity: rule.severity,
          title: titleOf(rule, series.labels),
          message: `${rule.metric} is ${shown(value)}, expected ${verdict.expected}`,
          channels: rule.channels ?? null,
        });
    }
  }
  return findings;
}

async function pointsBefore(
  state: StateDatabase,
  rule: Rule,
  { series, now }: { series: MetricSeries; now: Date },
) {
  const reach = reachOf(rule);
  if (reach === 0) return [];
  const since = new Date(now.getTime() - reach).toISOString();
  return readPoints(state, series.id, { since, until: series.lastAt });
}

export function titleOf(rule: Rule, labels: Labels): string {
  const of = Object.values(labels).join(" ");
  return of === "" ? rule.name : `${rule.name}: ${of}`;
}

export function isMatch({ where }: Pick<Rule, "where">, labels: Labels): boolean {
  return Object.entries(where).every(([label, pattern]) => patternOf(pattern).test(labels[label] ?? ""));
}

function patternOf(glob: string): RegExp {
  const parts = glob.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** `source.stream`, or the name of a model or table; null for what is about none. */
function subjectOf({ source, stream, model, table }: Labels): string | null {
  if (source !== undefined && stream !== undefined) return `${source}.${stream}`;
  return model ?? table ?? null;
}

export function labelsText(labels: Labels): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(" ");
}
