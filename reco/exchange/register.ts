import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import type { StateDatabase } from "../../state/database.ts";
import { addExperiment, addModel, nextModelVersion } from "../../state/registry.ts";
import type { Judgement } from "../evaluate/judge.ts";
import { judgeModel } from "../evaluate/judge.ts";
import { writeArtefact } from "../registry/artefact.ts";
import { checkGate, type GateCheck } from "../registry/gate.ts";
import { writeModelCard } from "../registry/model-card.ts";
import { blockedBy } from "../rules.ts";
import type { RecoSource } from "../tables.ts";
import { readCatalogue, readCutoffs, readDataset } from "../train/dataset.ts";
import { weightsOf } from "../train/interactions.ts";
import { checkEnough } from "../train/requirements.ts";
import {
  judgeChampion,
  metricsOf,
  passThrough,
  readSplits,
  relativeTo,
  type SplitDates,
  type TrainOptions,
} from "../train/train.ts";
import { findCutoff } from "./export.ts";
import { type ForeignFile, foreignModel, readForeignFile } from "./foreign-model.ts";

export interface Registration {
  version: number;
  experiment: string;
  kind: ForeignFile["kind"];
  judgement: Judgement;
  checks: GateCheck[];
  isPromoted: boolean;
  split: SplitDates;
  /** Rows of the file that name nothing that this project has. */
  unknown: number;
}

export interface RegisterOptions extends TrainOptions {
  given: ForeignFile;
  /** Whence the model is, for people. */
  name: string;
  /** Nothing from this cut-off on was learned from: a name or a time, as `run reco export` takes it. */
  cutoff: string;
}

/**
 * Takes a model that was made elsewhere through the evaluation and the gate of training, and registers it. A model that
 * has learned from the days of the test does not pass. Throws RECO_FILE_INVALID, RECO_CUTOFF_UNKNOWN (exit 2) and
 * RECO_TOO_LITTLE_DATA (exit 1): nothing is registered then.
 */
export async function registerModel(
  ctx: Context,
  { source, state }: { source: RecoSource; state: StateDatabase },
  options: RegisterOptions,
): Promise<Registration> {
  const startedMs = performance.now();
  const { settings, given, name, projectDir } = options;
  const cutoff = await findCutoff(source, options.cutoff);
  const parts = await readForeignFile(source, given, settings);
  const cutoffs = await readCutoffs(source);
  const catalogue = await readCatalogue(source);
  const weights = weightsOf(settings);
  const splits = cutoffs && (await readSplits(source, { cutoffs, catalogue, weights }));
  checkEnough(splits, settings);
  if (cutoffs === undefined || splits === undefined) throw new Error("without cut-offs nothing is enough");
  const judge = { k: settings.k, seed: settings.seed, isBlocked: blockedBy(settings.rules, catalogue) };
  const judgement = judgeModel(splits.outer, foreignModel(splits.outer.dataset, parts), judge);
  const champion = await judgeChampion(state, splits.outer, { judge, projectDir });
  const unseen: GateCheck = {
    name: "unseen_test",
    isMet: cutoff <= cutoffs.split,
    text: `learned from data before ${day(cutoff)}, the test begins on ${day(cutoffs.split)}`,
  };
  const checks = [unseen, ...checkGate(judgement, champion, settings)];
  const whole = { cutoff: cutoffs.newest, catalogue, weights, open: "feedback" } as const;
  const model = foreignModel(await readDataset(source, whole), parts);
  const version = await nextModelVersion(state);
  const file = join(options.folder, `v${version}`, "model.bin");
  const seal = writeArtefact(file, model);
  const split = { from: cutoffs.split, until: cutoffs.newest, inner: cutoffs.innerSplit };
  const metrics = metricsOf(judgement);
  const origin = { name, kind: given.kind, sha256: hash("sha256", readFileSync(given.file), "hex") };
  const lineage = { data: options.dataVersion, code: options.codeHash, cutoff, origin };
  const experiment = await addExperiment(ctx, state, {
    command: "register",
    recipe: JSON.stringify(parts.recipe),
    trials: "[]",
    data_version: JSON.stringify(options.dataVersion),
    code_hash: options.codeHash,
    split: JSON.stringify(split),
    metrics: JSON.stringify(metrics),
    seconds: (performance.now() - startedMs) / 1000,
    memory_mb: Math.round(process.resourceUsage().maxRSS / 1024),
  });
  await addModel(ctx, state, {
    version,
    kind: given.kind,
    artefact: relativeTo(projectDir, file),
    checksum: seal.checksum,
    size_bytes: seal.sizeBytes,
    shape: JSON.stringify(seal.shape),
    experiment_id: experiment,
    metrics: JSON.stringify(metrics),
    lineage: JSON.stringify(lineage),
    gate: JSON.stringify(checks),
    created_at: ctx.clock.now().toISOString(),
    cutoff,
  });
  const facts = {
    version,
    experiment,
    recipe: parts.recipe,
    split,
    metrics,
    judgement,
    checks,
    lineage,
    seal,
  };
  const card = {
    ...facts,
    trials: [],
    origin: `${given.kind} of "${name}", learned from data before ${cutoff}`,
  };
  writeModelCard(join(options.folder, `v${version}`, "model-card.md"), card, settings);
  const isPromoted = options.promotes && (await passThrough(ctx, state, { version, checks }));
  return {
    version,
    experiment,
    kind: given.kind,
    judgement,
    checks,
    isPromoted,
    split,
    unknown: parts.unknown,
  };
}

function day(moment: string): string {
  return moment.replace(" 00:00:00", "");
}
