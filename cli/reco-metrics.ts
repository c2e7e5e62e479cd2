import { z } from "zod";
import type { MetricName } from "../monitor/metrics/catalog.ts";
import { DEGREES } from "../reco/drift/divergence.ts";
import type { Measurement } from "../state/metrics.ts";

const drift = z.array(
  z.object({
    kind: z.string(),
    measure: z.string(),
    psi: z.number().nullable(),
    distance: z.number().nullable(),
    overlap: z.number().nullable(),
    degree: z.enum(DEGREES).nullable(),
  }),
);
const live = z.array(
  z.object({
    alias: z.string(),
    shelf: z.string(),
    shown: z.number(),
    success_rate: z.number().nullable(),
    coverage: z.number(),
    fallback_ratio: z.number(),
  }),
);
/** What commands of recommendations answer with. */
const figuresSchema = z.object({
  drift: drift.catch([]),
  live: live.catch([]),
  champion_age_seconds: z.number().nullable().catch(null),
});
type Figures = z.output<typeof figuresSchema>;

function point(name: MetricName, labels: Record<string, string>, value: number): Measurement {
  return { name, labels, value };
}

/** What a command has measured of recommendations, read from its answer. */
export function recoMetrics(json: Record<string, unknown>): Measurement[] {
  const { drift, live, champion_age_seconds: age } = figuresSchema.parse(json);
  return [
    ...drift.flatMap(driftMetrics),
    ...live.flatMap(liveMetrics),
    ...(age === null ? [] : [point("reco_model_age_seconds", {}, age)]),
  ];
}

function driftMetrics(one: Figures["drift"][number]): Measurement[] {
  const { kind, measure, psi, distance, overlap, degree } = one;
  const labels = { kind, measure };
  return [
    ...(psi === null ? [] : [point("reco_drift_psi", labels, psi)]),
    ...(distance === null ? [] : [point("reco_drift_distance", labels, distance)]),
    ...(overlap === null ? [] : [point("reco_list_overlap", {}, overlap)]),
    ...(degree === null ? [] : [point("reco_drift_degree", labels, DEGREES.indexOf(degree))]),
  ];
}

function liveMetrics(one: Figures["live"][number]): Measurement[] {
  const { alias, shelf, shown, success_rate, coverage, fallback_ratio } = one;
  const labels = { alias, shelf };
  return [
    point("reco_shown_tracks", labels, shown),
    point("reco_coverage_ratio", labels, coverage),
    point("reco_fallback_ratio", labels, fallback_ratio),
    ...(success_rate === null ? [] : [point("reco_success_ratio", labels, success_rate)]),
  ];
}
