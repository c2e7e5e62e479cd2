import type { Context } from "../../core/context.ts";
import type { StateDatabase } from "../../state/database.ts";
import { addExperiment, findExperiment } from "../../state/registry.ts";
import type { ModelRow } from "../../state/registry-tables.ts";
import type { Judgement } from "../evaluate/judge.ts";
import { checkGate, type GateCheck } from "../registry/gate.ts";
import { blockedBy } from "../rules.ts";
import type { RecoSource } from "../tables.ts";
import { readCatalogue, readCutoffs } from "./dataset.ts";
import { weightsOf } from "./interactions.ts";
import { checkEnough } from "./requirements.ts";
import {
  judgeChampion,
  judgeVersion,
  metricsOf,
  readSplits,
  type SplitDates,
  type TrainOptions,
} from "./train.ts";

export interface VersionEvaluation {
  experiment: string;
  judgement: Judgement;
  /** What the gate says of it today, beside the champion of today. */
  checks: GateCheck[];
  split: SplitDates;
  /** Whether a model that was made elsewhere may have seen the test. */
  hasSeenTest: boolean;
}

/**
 * Measures a version of the registry by the newest days, and records it as an experiment; registry and serving stay as
 * they are. Throws RECO_TOO_LITTLE_DATA (exit 1) and RECO_ARTEFACT_DAMAGED (exit 4).
 */
export async function evaluateVersion(
  ctx: Context,
  { source, state }: { source: RecoSource; state: StateDatabase },
  model: ModelRow,
  { settings, projectDir, dataVersion, codeHash }: TrainOptions,
): Promise<VersionEvaluation> {
  const startedMs = performance.now();
  const cutoffs = await readCutoffs(source);
  const catalogue = await readCatalogue(source);
  const splits = cutoffs && (await readSplits(source, { cutoffs, catalogue, weights: weightsOf(settings) }));
  checkEnough(splits, settings);
  if (cutoffs === undefined || splits === undefined) throw new Error("without cut-offs nothing is enough");
  const judge = { k: settings.k, seed: settings.seed, isBlocked: blockedBy(settings.rules, catalogue) };
  const place = { judge, projectDir };
  const judgement = await judgeVersion(state, splits.outer, model, place);
  const champion = await judgeChampion(state, splits.outer, place);
  const split = { from: cutoffs.split, until: cutoffs.newest, inner: cutoffs.innerSplit };
  const former = await findExperiment(state, model.experiment_id);
  const experiment = await addExperiment(ctx, state, {
    command: "evaluate",
    recipe: former?.recipe ?? "{}",
    trials: "[]",
    data_version: JSON.stringify(dataVersion),
    code_hash: codeHash,
    split: JSON.stringify(split),
    metrics: JSON.stringify(metricsOf(judgement)),
    seconds: (performance.now() - startedMs) / 1000,
    memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  });
  return {
    experiment,
    judgement,
    checks: checkGate(judgement, champion?.version === model.version ? null : champion, settings),
    split,
    hasSeenTest: model.kind !== "blend" && model.cutoff > cutoffs.split,
  };
}
