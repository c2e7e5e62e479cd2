import type { StateDatabase } from "../../state/database.ts";
import { listSeries, type MetricPoint, readPoints } from "../../state/metrics.ts";
import { metricOf } from "../metrics/catalog.ts";
import type { MonitorSettings, Rule } from "../settings.ts";
import { isMatch, type Labels } from "./evaluate.ts";
import { judge, reachOf } from "./judge.ts";

/** What a rule would have said of a series. */
export interface Trial {
  rule: Rule;
  labels: Labels;
  /** Points that there was enough before to judge. */
  judged: number;
  /** Stretches of bad points, each of which is one incident. */
  alerts: { from: string; to: string; value: number; expected: string }[];
}

/** Judges the points since a moment as if each had just been measured. Nothing is kept and nobody is told. */
export async function tryRules(
  state: StateDatabase,
  { rules, timezone }: Pick<MonitorSettings, "rules" | "timezone">,
  { since, now }: { since: Date; now: Date },
): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const rule of rules)
    for (const { id, labels } of await listSeries(state, rule.metric)) {
      if (!isMatch(rule, labels)) continue;
      const from = new Date(since.getTime() - reachOf(rule)).toISOString();
      const points = await readPoints(state, id, { since: from });
      trials.push(tryOn(rule, { labels, points, since: since.toISOString(), now, timezone }));
    }
  return trials;
}

function tryOn(
  rule: Rule,
  on: { labels: Labels; points: readonly MetricPoint[]; since: string; now: Date; timezone: string },
): Trial {
  const { labels, points, since, now, timezone } = on;
  const trial: Trial = { rule, labels, judged: 0, alerts: [] };
  const isAge = metricOf(rule.metric)?.isAge === true;
  let isBad = false;
  for (const [place, point] of points.entries()) {
    if (point.at < since) continue;
    // An age is at its greatest just before the next point.
    const end = isAge ? new Date(points[place + 1]?.at ?? now) : new Date(point.at);
    const value = point.value + (isAge ? (end.getTime() - Date.parse(point.at)) / 1000 : 0);
    const verdict = judge(rule, { value, at: end, before: points.slice(0, place), timezone });
    if (verdict === undefined) continue;
    trial.judged++;
    const last = trial.alerts.at(-1);
    if (verdict.isBad && isBad && last !== undefined) last.to = end.toISOString();
    else if (verdict.isBad) {
      const at = end.toISOString();
      trial.alerts.push({ from: at, to: at, value, expected: verdict.expected });
    }
    isBad = verdict.isBad;
  }
  return trial;
}
