import { hash } from "node:crypto";
import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import type { StateDatabase } from "../../state/database.ts";
import {
  addExperiment,
  addModel,
  findExperiment,
  findModel,
  moveChampion,
  nextModelVersion,
  noteRefusal,
  readAliases,
} from "../../state/registry.ts";
import type { ModelRow } from "../../state/registry-tables.ts";
import { alignModel } from "../candidates/align.ts";
import type { Recipe } from "../candidates/model.ts";
import type { Metrics } from "../evaluate/evaluate.ts";
import { type Judgement, judgeModel, judgeRecipe } from "../evaluate/judge.ts";
import { readArtefact, writeArtefact } from "../registry/artefact.ts";
import { checkGate, type GateCheck } from "../registry/gate.ts";
import { type CardFacts, writeModelCard } from "../registry/model-card.ts";
import { blockedBy } from "../rules.ts";
import type { RecoSettings } from "../settings.ts";
import type { RecoSource } from "../tables.ts";
import { type Catalogue, type Cutoffs, readCatalogue, readCutoffs, readDataset } from "./dataset.ts";
import { commonParts, fitModel } from "./fit.ts";
import { type Weights, weightsOf } from "./interactions.ts";
import { checkEnough } from "./requirements.ts";
import { readSplit, type Split } from "./split.ts";
import { type Trial, tuneRecipe } from "./tune.ts";

export interface Training {
  experiment: string;
  version: number;
  judgement: Judgement;
  recipe: Recipe;
  trials: Trial[];
  checks: GateCheck[];
  isPromoted: boolean;
  seconds: number;
  split: SplitDates;
}

/** The cut of the data, as it is recorded. */
export interface SplitDates {
  /** Nothing after it was learned from. */
  from: string;
  /** Test listens lie before it. */
  until: string;
  /** The cut of the split that parameters were tuned on; it ends at `from`. */
  inner: string;
}

export interface TrainOptions {
  settings: RecoSettings;
  /** What the data are: loads, release, hash. */
  dataVersion: Record<string, unknown>;
  /** Of the program that learns. */
  codeHash: string;
  projectDir: string;
  /** Where artefacts go. */
  folder: string;
  /** Whether a model that passes the gate becomes the champion. */
  promotes: boolean;
}

/**
 * Tunes on the inner split, judges on the split after it, then learns from all days that are over and registers the
 * model as challenger; as champion when the gate lets it. Throws RECO_TOO_LITTLE_DATA (exit 1): the champion stays.
 */
export async function trainModel(
  ctx: Context,
  { source, state }: { source: RecoSource; state: StateDatabase },
  options: TrainOptions,
): Promise<Training> {
  const startedMs = performance.now();
  const { settings, promotes } = options;
  const cutoffs = await readCutoffs(source);
  const catalogue = await readCatalogue(source);
  const weights = weightsOf(settings);
  const splits = cutoffs && (await readSplits(source, { cutoffs, catalogue, weights }));
  checkEnough(splits, settings);
  if (cutoffs === undefined || splits === undefined) throw new Error("without cut-offs nothing is enough");
  ctx.log.info("reco_tuning", "tuning on what users played before the test begins");
  const { recipe, trials } = tuneRecipe(splits.inner, settings);
  ctx.signal.throwIfAborted();
  const isBlocked = blockedBy(settings.rules, catalogue);
  const judge = { k: settings.k, seed: settings.seed, isBlocked };
  const judgement = judgeRecipe(splits.outer, recipe, judge);
  ctx.signal.throwIfAborted();
  const champion = await judgeChampion(state, splits.outer, { judge, projectDir: options.projectDir });
  const checks = checkGate(judgement, champion, settings);
  const whole = { cutoff: cutoffs.newest, catalogue, weights, open: "feedback" } as const;
  const model = fitModel(await readDataset(source, whole), recipe);
  const version = await nextModelVersion(state);
  const file = join(options.folder, `v${version}`, "model.bin");
  const seal = writeArtefact(file, model);
  const split = { from: cutoffs.split, until: cutoffs.newest, inner: cutoffs.innerSplit };
  const seconds = (performance.now() - startedMs) / 1000;
  const metrics = metricsOf(judgement);
  const experiment = await addExperiment(ctx, state, {
    command: "train",
    recipe: JSON.stringify(recipe),
    trials: JSON.stringify(trials),
    data_version: JSON.stringify(options.dataVersion),
    code_hash: options.codeHash,
    split: JSON.stringify(split),
    metrics: JSON.stringify(metrics),
    seconds,
    memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  });
  const lineage = { data: options.dataVersion, code: options.codeHash, cutoff: cutoffs.newest };
  await addModel(ctx, state, {
    version,
    kind: "blend",
    artefact: relativeTo(options.projectDir, file),
    checksum: seal.checksum,
    size_bytes: seal.sizeBytes,
    shape: JSON.stringify(seal.shape),
    experiment_id: experiment,
    metrics: JSON.stringify(metrics),
    lineage: JSON.stringify(lineage),
    gate: JSON.stringify(checks),
    created_at: ctx.clock.now().toISOString(),
    cutoff: cutoffs.newest,
  });
  const card: CardFacts = {
    origin: null,
    version,
    experiment,
    recipe,
    split,
    metrics,
    judgement,
    checks,
    lineage,
    seal,
    trials,
  };
  writeModelCard(join(options.folder, `v${version}`, "model-card.md"), card, settings);
  const isPromoted = promotes && (await passThrough(ctx, state, { version, checks }));
  return { experiment, version, judgement, recipe, trials, checks, isPromoted, seconds, split };
}

/** What the registry keeps of a judgement. */
export function metricsOf({ discover, on_repeat, popularity }: Judgement): Record<string, Metrics> {
  return {
    discover: discover.metrics,
    on_repeat: on_repeat.metrics,
    popularity: popularity.metrics,
  };
}

/** Both splits, one after the other: the inner one ends where the outer one begins. */
export async function readSplits(
  source: RecoSource,
  { cutoffs, ...rest }: { cutoffs: Cutoffs; catalogue: Catalogue; weights: Weights },
): Promise<{ inner: Split; outer: Split }> {
  const inner = await readSplit(source, { from: cutoffs.innerSplit, until: cutoffs.split, ...rest });
  const outer = await readSplit(source, { from: cutoffs.split, until: cutoffs.newest, ...rest });
  return { inner, outer };
}

/** How the champion does on a split. */
export async function judgeChampion(
  state: StateDatabase,
  split: Split,
  place: JudgePlace,
): Promise<{ version: number; ndcg: number } | null> {
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  if (model === undefined) return null;
  const { discover } = await judgeVersion(state, split, model, place);
  return { version: model.version, ndcg: discover.metrics.ndcg };
}

export interface JudgePlace {
  judge: Parameters<typeof judgeRecipe>[2];
  projectDir: string;
}

/**
 * A version on a split: its recipe, learned from the same days as its rivals', as the artefact itself may have seen the
 * test; of a model that was made elsewhere, which nobody here can learn again, the artefact. Throws RECO_ARTEFACT_DAMAGED.
 */
export async function judgeVersion(
  state: StateDatabase,
  split: Split,
  model: ModelRow,
  { judge, projectDir }: JudgePlace,
): Promise<Judgement> {
  const experiment = await findExperiment(state, model.experiment_id);
  if (experiment === undefined) throw new Error(`v${model.version} has no experiment`);
  const recipe = JSON.parse(experiment.recipe) as Recipe; // as training wrote it
  if (model.kind === "blend") return judgeRecipe(split, recipe, judge);
  const seal = { checksum: model.checksum, shape: JSON.parse(model.shape) };
  const kept = readArtefact(join(projectDir, model.artefact), seal);
  const { dataset } = split;
  // What it says of tracks besides its own is that of the split: its own has seen the test.
  return judgeModel(split, { ...alignModel(kept, dataset.catalogue), ...commonParts(dataset) }, judge);
}

/** Makes a model that passes the gate the champion; writes down that another one was not. */
export async function passThrough(
  ctx: Context,
  state: StateDatabase,
  { version, checks }: { version: number; checks: GateCheck[] },
): Promise<boolean> {
  const reason = JSON.stringify(checks);
  const isPassed = checks.every(({ isMet }) => isMet);
  if (isPassed) await moveChampion(ctx, state, { version, action: "promoted", reason });
  else await noteRefusal(ctx, state, { version, reason });
  return isPassed;
}

export function relativeTo(folder: string, file: string): string {
  return file.slice(folder.length + 1).replaceAll("\\", "/");
}

/** A short name for what something is made of. */
export function shortHash(value: unknown): string {
  return hash("sha256", JSON.stringify(value), "hex").slice(0, 12);
}

/** Whether the champion was made of the same data by the same program. */
export async function isTrainedOn(
  state: StateDatabase,
  { dataVersion, codeHash }: Pick<TrainOptions, "dataVersion" | "codeHash">,
): Promise<boolean> {
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  const experiment = model === undefined ? undefined : await findExperiment(state, model.experiment_id);
  return (
    experiment !== undefined &&
    experiment.code_hash === codeHash &&
    experiment.data_version === JSON.stringify(dataVersion)
  );
}
