import type { MetricPoint } from "../../state/metrics.ts";
import { deviationFrom, medianOf } from "../metrics/robust.ts";
import type { Rule } from "../settings.ts";

/** What a rule says of a value. */
export interface Verdict {
  isBad: boolean;
  /** What it should have been: `at most 60`. */
  expected: string;
}

/**
 * Judges a value by the points before it, in order of time. Undefined while there are too few of them to say anything.
 * Seasons are hours and weekdays of `timezone`.
 */
export function judge(
  rule: Rule,
  {
    value,
    at,
    before,
    timezone,
  }: { value: number; at: Date; before: readonly MetricPoint[]; timezone: string },
): Verdict | undefined {
  const { min, max, anomaly, drop, rate } = rule;
  if (anomaly !== undefined) {
    const usual = usualOf(anomaly, { at, before, timezone });
    if (usual === undefined) return undefined;
    const reach = anomaly.deviations * usual.deviation;
    const isAbove = anomaly.direction !== "below" && value > usual.median + reach;
    const isBelow = anomaly.direction !== "above" && value < usual.median - reach;
    const expected = `${shown(usual.median)} ± ${shown(reach)} (median of ${usual.count})`;
    return { isBad: isAbove || isBelow, expected };
  }
  if (drop !== undefined) {
    const usual = usualOf(drop, { at, before, timezone });
    if (usual === undefined) return undefined;
    const least = usual.median * (1 - drop.by);
    return { isBad: value < least, expected: `at least ${shown(least)} (median ${shown(usual.median)})` };
  }
  if (rate !== undefined) {
    const since = new Date(at.getTime() - rate.over).toISOString();
    const values = [...before.filter((point) => point.at >= since).map((point) => point.value), value];
    if (values.length < rate.min_samples) return undefined;
    const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
    return { isBad: mean > rate.max, expected: `a mean of at most ${shown(rate.max)}, found ${shown(mean)}` };
  }
  const isLow = min !== undefined && value < min;
  const isHigh = max !== undefined && value > max;
  const parts = [
    ...(min === undefined ? [] : [`at least ${shown(min)}`]),
    ...(max === undefined ? [] : [`at most ${shown(max)}`]),
  ];
  return { isBad: isLow || isHigh, expected: parts.join(" and ") };
}

/** How far back points matter to a rule, in milliseconds; 0 when none do. */
export function reachOf({ anomaly, drop, rate }: Rule): number {
  return anomaly?.window ?? drop?.window ?? rate?.over ?? 0;
}

/** Values that hardly ever differ would otherwise be odd for nothing. */
const LEAST_SPREAD = 0.05;

function usualOf(
  { min_samples, window, season }: NonNullable<Rule["drop"]> | NonNullable<Rule["anomaly"]>,
  { at, before, timezone }: { at: Date; before: readonly MetricPoint[]; timezone: string },
): { median: number; deviation: number; count: number } | undefined {
  const since = new Date(at.getTime() - window).toISOString();
  const seasonOf = seasons(season, timezone);
  const own = seasonOf(at);
  const values = before
    .filter((point) => point.at >= since && seasonOf(new Date(point.at)) === own)
    .map((point) => point.value);
  if (values.length < min_samples) return undefined;
  const median = medianOf(values);
  const spread = deviationFrom(median, values);
  return { median, deviation: Math.max(spread, LEAST_SPREAD * Math.abs(median)), count: values.length };
}

function seasons(season: "none" | "hour" | "weekday", timezone: string): (at: Date) => string {
  if (season === "none") return () => "";
  const part =
    season === "hour" ? ({ hour: "2-digit", hourCycle: "h23" } as const) : ({ weekday: "short" } as const);
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: timezone, ...part });
  return (at) => format.format(at);
}

/** A number as people read it. */
export function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
