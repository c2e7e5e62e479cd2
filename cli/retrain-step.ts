import { join } from "node:path";
import { messageOf } from "../core/errors.ts";
import { relationKey } from "../engines/engine.ts";
import { type Drift, measureDrift } from "../reco/drift/drift.ts";
import type { Inference } from "../reco/infer/infer.ts";
import { type LiveShelf, readLive } from "../reco/live/live.ts";
import type { Outcomes } from "../reco/live/success.ts";
import { readArtefact } from "../reco/registry/artefact.ts";
import { judgePromotion, type PromotionVerdict } from "../reco/retrain/roll-back.ts";
import { judgeRules, type RuleVerdict } from "../reco/retrain/rules.ts";
import { readCutoffs } from "../reco/train/dataset.ts";
import { type Training, type TrainOptions, trainModel } from "../reco/train/train.ts";
import { modelsOf } from "../runner/graph/nodes.ts";
import { findModel, listModels, moveChampion, readAliases } from "../state/registry.ts";
import { beginRetraining, coolDownEnd, endRetraining } from "../state/retrainings.ts";
import { inferStep, type RecoPlace, trainOptions } from "./reco-step.ts";
import { openGraph, type Workspace } from "./workspace.ts";

/** What is measured of the model that is served. */
export interface Watch {
  drift: Drift | undefined;
  live: LiveShelf[];
  promotion: PromotionVerdict | undefined;
}

/** What was decided, and what came of it. */
export interface Retraining extends Watch {
  rules: RuleVerdict[];
  /** What is to be done; null when nothing is. */
  action: "retrain" | "rollback" | null;
  /** Why it is not done all the same. */
  held: string | null;
  training: Training | null;
  /** The version that was gone back to. */
  rolledBackTo: number | null;
  inference: Inference | null;
}

/** The model of what came of shown tracks; a project may do without. */
const OUTCOMES_MODEL = "fct_impressions";

/** Drift, live success, and how the last promotion did. */
export async function watchStep(workspace: Workspace, place: RecoPlace): Promise<Watch> {
  const { source, state, settings } = place;
  const drift = await measureDrift(place, settings);
  const outcomes = await outcomesOf(workspace, place);
  if (outcomes === undefined) return { drift, live: [], promotion: undefined };
  return {
    drift,
    live: await readLive(outcomes, state, { live: settings.live, tracks: source.tables.tracks }),
    promotion: await judgePromotion(outcomes, state, settings),
  };
}

async function outcomesOf(workspace: Workspace, { source }: RecoPlace): Promise<Outcomes | undefined> {
  const { engine } = source;
  const model = modelsOf(openGraph(workspace).graph).find(({ name }) => name === OUTCOMES_MODEL);
  if (model === undefined || !(await engine.relations()).has(relationKey(model.relation))) return undefined;
  const now = workspace.ctx.clock.now().toISOString();
  return { source, impressions: engine.nameOf(model.relation), now };
}

/**
 * Goes back to the former champion when success has fallen since the last promotion; else trains when a rule says so,
 * through the gate, and makes the new champion's lists. Training waits for the end of the cool-down, and is not done on
 * data that were learned from already. What is decided is written down before it is begun, and what came of it after. A dry run decides only.
 */
export async function retrainStep(
  workspace: Workspace,
  place: RecoPlace,
  { isDry }: { isDry: boolean },
): Promise<Retraining> {
  const { ctx } = workspace;
  const { state, settings } = place;
  const watch = await watchStep(workspace, place);
  const rules = judgeRules(await factsOf(workspace, place, watch), settings);
  const isWorse = watch.promotion?.isWorse === true;
  const action = isWorse ? "rollback" : rules.some(({ isFired }) => isFired) ? "retrain" : null;
  const nothing = { training: null, rolledBackTo: null, inference: null };
  const decided: Retraining = { ...watch, rules, action, held: null, ...nothing };
  if (action === null) return decided;
  const options = action === "retrain" ? await trainOptions(workspace, place) : undefined;
  const held = options === undefined ? null : await holdOf(workspace, place, options);
  if (isDry || held !== null) return { ...decided, held };
  const champion = (await readAliases(state)).champion ?? null;
  const said = isWorse ? (watch.promotion?.texts ?? []).map((text) => ({ rule: "rollback", text })) : rules;
  const id = await beginRetraining(ctx, state, { action, champion, rules: said });
  try {
    const done =
      options === undefined
        ? await goBack(workspace, place, watch.promotion)
        : await trainAnew(workspace, place, options);
    await endRetraining(ctx, state, { id, ...endOf(done) });
    return { ...decided, ...done };
  } catch (error) {
    if (!ctx.signal.aborted)
      await endRetraining(ctx, state, { id, outcome: "failed", version: null, message: messageOf(error) });
    throw error;
  }
}

type Done = Pick<Retraining, "training" | "rolledBackTo" | "inference">;

function endOf({ training, rolledBackTo }: Done) {
  if (training === null)
    return {
      outcome: "rolled_back" as const,
      version: rolledBackTo,
      message: `v${rolledBackTo} is the champion again`,
    };
  const { version, isPromoted, checks } = training;
  const failed = checks.filter(({ isMet }) => !isMet).map(({ text }) => text);
  return isPromoted
    ? { outcome: "promoted" as const, version, message: `v${version} is the champion` }
    : {
        outcome: "challenger" as const,
        version,
        message: `v${version} stays challenger${failed.length > 0 ? `: ${failed.join("; ")}` : ""}`,
      };
}

async function factsOf(workspace: Workspace, { source, state }: RecoPlace, { drift, live }: Watch) {
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  const now = workspace.ctx.clock.now();
  if (model === undefined) return { champion: null, live, drift, listens: { learned: 0, since: 0 }, now };
  const { engine, session, tables } = source;
  const newest = (await readCutoffs(source))?.newest ?? model.cutoff;
  const moment = (text: string) => `cast(${engine.literal(text)} as timestamp)`;
  const { rows } = await session.query(
    `select count(*) filter (where listened_at < ${moment(model.cutoff)}),
  count(*) filter (where listened_at >= ${moment(model.cutoff)} and listened_at < ${moment(newest)})
from ${tables.listens} where user_key is not null and track_key is not null`,
  );
  const [learned = 0, since = 0] = (rows[0] ?? []).map(Number);
  const { version, created_at } = model;
  return { champion: { version, createdAt: created_at }, live, drift, listens: { learned, since }, now };
}

/** Why nothing is trained now; null when it may be. */
async function holdOf(
  { ctx }: Workspace,
  { state, settings }: RecoPlace,
  options: TrainOptions,
): Promise<string | null> {
  const { cooldown_hours: hours } = settings.retrain;
  const end = await coolDownEnd(state, { hours, now: ctx.clock.now() });
  if (end !== undefined) return `cooling down until ${end.slice(0, 16).replace("T", " ")} UTC`;
  const [newest] = await listModels(state);
  if (newest === undefined) return null;
  const { data, code } = JSON.parse(newest.lineage) as { data?: { hash?: string }; code?: string }; // as training wrote it
  const isKnown = data?.hash === options.dataVersion.hash && code === options.codeHash;
  return isKnown ? `v${newest.version} has learned from these data already` : null;
}

async function trainAnew(workspace: Workspace, place: RecoPlace, options: TrainOptions): Promise<Done> {
  const training = await trainModel(workspace.ctx, place, options);
  const { serving } = place.settings;
  const alias = training.isPromoted ? "champion" : serving.challenger_share > 0 ? "challenger" : undefined;
  const inference =
    alias === undefined
      ? null
      : await inferStep(workspace, place, { scope: { kind: "all" }, isFull: true, alias });
  return { training, rolledBackTo: null, inference };
}

/** Only a whole artefact becomes the champion. */
async function goBack(
  workspace: Workspace,
  place: RecoPlace,
  promotion: PromotionVerdict | undefined,
): Promise<Done> {
  const { ctx } = workspace;
  const { state } = place;
  const model = promotion === undefined ? undefined : await findModel(state, promotion.former);
  if (promotion === undefined || model === undefined) throw new Error("there is nobody to go back to");
  const seal = { checksum: model.checksum, shape: JSON.parse(model.shape) };
  readArtefact(join(ctx.projectDir, model.artefact), seal);
  const reason = JSON.stringify(`from v${promotion.version}: ${promotion.texts.join("; ")}`);
  await moveChampion(ctx, state, { version: model.version, action: "rolled_back", reason });
  const inference = await inferStep(workspace, place, { scope: { kind: "all" }, isFull: true });
  return { training: null, rolledBackTo: model.version, inference };
}
