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
/** What commands of recommendations answer with. */
const figuresSchema = z.object({ drift: drift.catch([]) });
type Figures = z.output<typeof figuresSchema>;

function point(name: MetricName, labels: Record<string, string>, value: number): Measurement {
  return { name, labels, value };
}

/** What a command has measured of recommendations, read from its answer. */
export function recoMetrics(json: Record<string, unknown>): Measurement[] {
  return figuresSchema.parse(json).drift.flatMap(driftMetrics);
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
