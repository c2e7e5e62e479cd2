import type { Value } from "../../engines/engine.ts";
import type { StateDatabase } from "../../state/database.ts";
import { listSeries, readPoints } from "../../state/metrics.ts";
import { findModel, readAliases } from "../../state/registry.ts";
import type { RecoSettings } from "../settings.ts";
import type { RecoSource } from "../tables.ts";
import { readCutoffs } from "../train/dataset.ts";
import { type Degree, degreeOf, divergenceQuery, milder } from "./divergence.ts";
import { readListTime, readOverlap, scoreSamples } from "./predictions.ts";
import { type Stretch, samplesQuery } from "./samples.ts";
import { readWindows } from "./windows.ts";

export const DRIFT_KINDS = ["features", "popularity", "predictions", "cold"] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** How far something is from what the champion learned from. */
export interface DriftMeasure {
  kind: DriftKind;
  measure: string;
  /** Population stability index; null where it is not one that tells. */
  psi: number | null;
  /** Jensen-Shannon distance. */
  distance: number | null;
  /** Of lists, instead of both. */
  overlap: number | null;
  /** Of the newest window alone; null with too few samples. */
  now: Degree | null;
  /** Of the window before it; null when there is none, or it has too few. */
  before: Degree | null;
  /** What counts: the milder one of both windows. Null while one of them says nothing. */
  degree: Degree | null;
  referenceSamples: number;
  currentSamples: number;
  /** The bin that differs most, with its shares. */
  most: { bin: string; reference: number; current: number } | null;
}

export interface Drift {
  version: number;
  /** Nothing from this moment on was learned from. */
  cutoff: string;
  reference: Stretch | null;
  /** The newest first. */
  windows: Stretch[];
  measures: DriftMeasure[];
}

/** Of the metrics that this leaves; `reco_drift_psi` and `reco_list_overlap` of earlier lists are read again. */
export const PSI_METRIC = "reco_drift_psi";
export const OVERLAP_METRIC = "reco_list_overlap";

interface Binned {
  psi: number;
  distance: number;
  reference: number;
  current: number;
  most: DriftMeasure["most"];
}

/**
 * How far listens, features and lists are from what the champion learned from and first said. Undefined while there is
 * no champion. What listens and features tell counts when two windows in a row say so; of lists the former measurement
 * of earlier ones is the window before.
 */
export async function measureDrift(
  place: { source: RecoSource; state: StateDatabase },
  { drift: settings }: RecoSettings,
): Promise<Drift | undefined> {
  const { source, state } = place;
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  const cutoffs = await readCutoffs(source);
  if (model === undefined || cutoffs === undefined) return undefined;
  const windows = await readWindows(source, {
    cutoff: model.cutoff,
    newest: cutoffs.newest,
    windowDays: settings.window_days,
    referenceDays: settings.reference_days,
  });
  const found: Map<string, Binned>[] = [];
  for (const window of windows) found.push(await compare(source, samplesQuery(source, window)));
  const [newest = new Map<string, Binned>(), former = new Map<string, Binned>()] = found;
  const enough = (one: Binned | undefined) =>
    one !== undefined && Math.min(one.reference, one.current) >= settings.min_samples;
  const measures = [...newest].map(([key, one]): DriftMeasure => {
    const other = former.get(key);
    const now = enough(one) ? degreeOf(one.psi) : null;
    const before = other !== undefined && enough(other) ? degreeOf(other.psi) : null;
    return measureOf(key, { one, now, before });
  });
  const predictions = await measurePredictions(place, { version: model.version, enough, settings });
  return {
    version: model.version,
    cutoff: model.cutoff,
    reference: windows[0]?.reference ?? null,
    windows: windows.map(({ current }) => current),
    measures: [...measures, ...predictions].sort(
      (a, b) => DRIFT_KINDS.indexOf(a.kind) - DRIFT_KINDS.indexOf(b.kind),
    ),
  };
}

function measureOf(
  key: string,
  { one, now, before }: { one: Binned; now: Degree | null; before: Degree | null },
): DriftMeasure {
  const [kind = "", measure = ""] = key.split("\t");
  return {
    kind: kind as DriftKind, // as the samples call it
    measure,
    psi: now === null ? null : one.psi,
    distance: now === null ? null : one.distance,
    overlap: null,
    now,
    before,
    degree: now === null || before === null ? null : milder(now, before),
    referenceSamples: one.reference,
    currentSamples: one.current,
    most: one.most,
  };
}

/** By kind and measure. */
async function compare({ session }: RecoSource, samples: string): Promise<Map<string, Binned>> {
  const { rows } = await session.query(divergenceQuery(samples));
  const found = new Map<string, Binned>();
  for (const row of rows) {
    const [kind, measure, bin, reference, current, , psi, distance, references, currents] = row;
    const key = `${kind}\t${measure}`;
    if (found.has(key)) continue; // the bin that says most comes first
    const share = (count: Value | undefined, total: Value | undefined) =>
      Number(total) === 0 ? 0 : Number(count) / Number(total);
    found.set(key, {
      psi: Number(psi),
      distance: Number(distance),
      reference: Number(references),
      current: Number(currents),
      most: {
        bin: String(bin),
        reference: share(reference, references),
        current: share(current, currents),
      },
    });
  }
  return found;
}

/** Shares of a first list that are kept: what half of it and a quarter of it say. */
function degreeOfOverlap(overlap: number): Degree {
  return overlap >= 0.5 ? "none" : overlap >= 0.25 ? "moderate" : "severe";
}

async function measurePredictions(
  { source, state }: { source: RecoSource; state: StateDatabase },
  {
    version,
    enough,
    settings,
  }: { version: number; enough: (one: Binned) => boolean; settings: RecoSettings["drift"] },
): Promise<DriftMeasure[]> {
  const madeAt = await readListTime(source, version);
  if (madeAt === undefined) return [];
  const scores = (await compare(source, scoreSamples(source, version))).get("predictions\tscore");
  const { overlap, users } = await readOverlap(source, version);
  const formerPsi = await formerValue(state, { metric: PSI_METRIC, measure: "score", version, madeAt });
  const formerOverlap = await formerValue(state, { metric: OVERLAP_METRIC, version, madeAt });
  const now = users >= settings.min_samples ? degreeOfOverlap(overlap) : null;
  const before = formerOverlap === undefined ? null : degreeOfOverlap(formerOverlap);
  const counts = { reference: users, current: users };
  const overlapping = measureOf("predictions\tlist overlap", {
    one: { psi: 0, distance: 0, ...counts, most: null },
    now,
    before,
  });
  return [
    ...(scores === undefined
      ? []
      : [
          measureOf("predictions\tscore", {
            one: scores,
            now: enough(scores) ? degreeOf(scores.psi) : null,
            before: formerPsi === undefined ? null : degreeOf(formerPsi),
          }),
        ]),
    { ...overlapping, psi: null, distance: null, overlap: now === null ? null : overlap },
  ];
}

/** What was measured last of lists that are older than those of today, by the same model. */
async function formerValue(
  state: StateDatabase,
  { metric, measure, version, madeAt }: { metric: string; measure?: string; version: number; madeAt: string },
): Promise<number | undefined> {
  const { moved_at: since } = (await state
    .selectFrom("model_aliases")
    .select("moved_at")
    .where("alias", "=", "champion")
    .where("version", "=", version)
    .executeTakeFirst()) ?? { moved_at: madeAt };
  for (const series of await listSeries(state, metric)) {
    if (measure !== undefined && series.labels.measure !== measure) continue;
    const points = await readPoints(state, series.id, { since, until: madeAt, limit: 1 });
    const last = points.at(-1);
    if (last !== undefined) return last.value;
  }
  return undefined;
}
