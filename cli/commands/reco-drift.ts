import { EXIT } from "../../core/errors.ts";
import { type Drift, type DriftMeasure, measureDrift } from "../../reco/drift/drift.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatTable, plural } from "../print.ts";
import { withReco } from "../reco-step.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

/** `run reco drift`: how far data and lists are from what the champion learned from. */
export async function runRecoDrift(workspace: Workspace, { colors }: Terminal): Promise<Outcome> {
  const drift = await withReco(workspace, "run reco drift", (place) => measureDrift(place, place.settings));
  if (drift === undefined) {
    const summary = "no champion yet, nothing to compare with: run reco train";
    return { exitCode: EXIT.ok, summary, text: summary, json: { model_version: null, drift: [] } };
  }
  return {
    exitCode: EXIT.ok,
    summary: summarizeDrift(drift),
    text: formatDrift(drift, colors),
    json: driftJson(drift),
  };
}

export function summarizeDrift({ version, measures }: Drift): string {
  const drifted = measures.filter(({ degree }) => degree !== null && degree !== "none");
  const said = measures.filter(({ degree }) => degree !== null).length;
  if (drifted.length === 0)
    return said === 0
      ? `too little has happened since model v${version} learned to speak of drift`
      : `no drift since model v${version} learned, by ${plural(said, "measure")}`;
  const names = drifted.map(({ measure, degree }) => `${measure} ${degree}`);
  return `drift since model v${version} learned: ${names.join(", ")}`;
}

function formatDrift(drift: Drift, colors: Colors): string {
  const { version, cutoff, reference, windows, measures } = drift;
  const [newest] = windows;
  const head = [
    reference === null
      ? `model v${version} learned from listens before ${day(cutoff)}; no day has ended since`
      : `model v${version} learned from listens before ${day(cutoff)}; compared with those from ${day(reference.from)} on`,
    ...(newest === undefined
      ? []
      : [
          `window: ${day(newest.from)} until ${day(newest.until)}${windows.length > 1 ? ", and the one before it" : "; drift counts when the next one says the same"}`,
        ]),
  ];
  if (measures.length === 0) return [...head, "", summarizeDrift(drift)].join("\n");
  const rows = measures.map((one) => [
    one.kind,
    one.measure,
    one.psi === null ? "" : one.psi.toFixed(3),
    one.distance === null ? "" : one.distance.toFixed(3),
    `${one.referenceSamples.toLocaleString("en-US")} / ${one.currentSamples.toLocaleString("en-US")}`,
    one.now ?? "too few",
    one.before ?? "–",
    one.degree === null ? "–" : painted(one.degree, colors),
    differenceOf(one),
  ]);
  const columns = ["kind", "measure", "PSI", "JS", "samples", "now", "before", "drift", "most different"];
  return [...head, "", formatTable(columns, rows, colors), "", summarizeDrift(drift)].join("\n");
}

function painted(degree: NonNullable<DriftMeasure["degree"]>, colors: Colors): string {
  return degree === "severe" ? colors.red(degree) : degree === "moderate" ? colors.yellow(degree) : degree;
}

function differenceOf({ overlap, most, psi }: DriftMeasure): string {
  if (overlap !== null) return `${percent(overlap)} of the first lists are left`;
  if (most === null || psi === null) return "";
  return `${most.bin}: ${percent(most.reference)}, now ${percent(most.current)}`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
}

function day(moment: string): string {
  return moment.slice(0, 10);
}

export function driftJson({ version, cutoff, reference, windows, measures }: Drift) {
  return {
    model_version: version,
    cutoff,
    reference,
    windows,
    drift: measures.map(({ referenceSamples, currentSamples, ...one }) => ({
      ...one,
      reference_samples: referenceSamples,
      current_samples: currentSamples,
    })),
  };
}
