import { EXIT } from "../../core/errors.ts";
import type { LiveShelf } from "../../reco/live/live.ts";
import { rateOf, type Success } from "../../reco/live/success.ts";
import { percent } from "../../reco/retrain/rules.ts";
import { findModel, readAliases } from "../../state/registry.ts";
import { collectStep } from "../collect-step.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatTable, plural } from "../print.ts";
import { type RecoPlace, withReco } from "../reco-step.ts";
import { type Retraining, retrainStep, watchStep } from "../retrain-step.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";
import { summarizeTraining, trainingJson } from "./reco.ts";
import { driftJson, summarizeDrift } from "./reco-drift.ts";

/** `run reco live`: how the served lists do with listeners. */
export async function runRecoLive(workspace: Workspace, { colors }: Terminal): Promise<Outcome> {
  const [live, age] = await withReco(workspace, "run reco live", async (place) => {
    const { live } = await watchStep(workspace, place);
    return [live, await championAge(workspace, place)] as const;
  });
  const shown = live.reduce((sum, one) => sum + one.shown, 0);
  const summary =
    live.length === 0
      ? "nothing was shown yet whose outcome is known"
      : `${plural(shown, "shown track")} whose outcome is known`;
  return {
    exitCode: EXIT.ok,
    summary,
    text: live.length === 0 ? summary : formatLive(live, colors),
    json: { live: live.map(liveJson), champion_age_seconds: age },
  };
}

function formatLive(live: readonly LiveShelf[], colors: Colors): string {
  const rows = live.map((one) => [
    `v${one.version}`,
    one.alias,
    one.shelf,
    one.lists.toLocaleString("en-US"),
    one.shown.toLocaleString("en-US"),
    percent(rateOf(one)),
    one.first === null ? "–" : percent(rateOf(one.first)),
    percent(one.coverage),
    percent(one.fallbackRatio),
  ]);
  const head = ["model", "alias", "shelf", "lists", "shown", "success", "at first", "coverage", "strangers"];
  return formatTable(head, rows, colors);
}

const successRate = (one: Success | null) => (one === null || one.shown === 0 ? null : rateOf(one));

function liveJson(one: LiveShelf) {
  const { version, alias, shelf, shown, successes, first, coverage, fallbackRatio, lists } = one;
  return {
    ...{ model_version: version, alias, shelf, lists, shown, successes, success_rate: successRate(one) },
    ...{ first_success_rate: successRate(first), coverage, fallback_ratio: fallbackRatio },
  };
}

async function championAge({ ctx }: Workspace, { state }: RecoPlace): Promise<number | null> {
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  return model === undefined ? null : (ctx.clock.now().getTime() - Date.parse(model.created_at)) / 1000;
}

/** `run reco retrain`: what the rules say, and what was done about it. */
export async function runRecoRetrain(
  workspace: Workspace,
  { colors }: Terminal,
  { dryRun = false }: { dryRun?: boolean },
): Promise<Outcome> {
  const [retraining, age] = await withReco(workspace, "run reco retrain", async (place) => {
    if (!dryRun) await collectStep(workspace, place);
    const retraining = await retrainStep(workspace, place, { isDry: dryRun });
    return [retraining, await championAge(workspace, place)] as const;
  });
  const summary = summarizeRetraining(retraining, dryRun);
  return {
    exitCode: EXIT.ok,
    summary,
    text: `${formatRules(retraining, colors)}\n\n${summary}`,
    json: { ...retrainingJson(retraining), dry_run: dryRun, champion_age_seconds: age },
  };
}

function summarizeRetraining(
  { action, held, training, inference, rolledBackTo, promotion }: Retraining,
  isDry: boolean,
): string {
  const lists =
    inference === null ? "" : `; lists of ${plural(inference.users, "user")} by v${inference.version}`;
  if (training !== null) return `${summarizeTraining(training)}${lists}`;
  if (rolledBackTo !== null) return `v${rolledBackTo} is the champion again${lists}`;
  if (action === null) return "nothing to do";
  const what = action === "rollback" ? `go back to v${promotion?.former}` : "train";
  if (held !== null) return `a reason to ${what}, but ${held}`;
  return isDry ? `would ${what}` : `did not ${what}`;
}

function formatRules({ rules, promotion, drift, action }: Retraining, colors: Colors): string {
  const lines = rules.map(({ rule, isFired, text }) => [
    isFired ? colors.yellow("fired") : "quiet",
    rule,
    text,
  ]);
  const promoted = (promotion?.texts ?? []).map((text) => [
    action === "rollback" ? colors.yellow("fired") : "quiet",
    "rollback",
    text,
  ]);
  const table = formatTable(["", "rule", "what it says"], [...promoted, ...lines], colors);
  return drift === undefined ? table : `${table}\n\n${summarizeDrift(drift)}`;
}

function retrainingJson(one: Retraining) {
  const { drift, live, promotion, rules, action, held, training, rolledBackTo, inference } = one;
  return {
    action,
    held,
    rules: rules.map(({ rule, isFired, text }) => ({ rule, fired: isFired, text })),
    promotion:
      promotion === undefined
        ? null
        : {
            model_version: promotion.version,
            former: promotion.former,
            worse: promotion.isWorse,
            texts: promotion.texts,
          },
    training: training === null ? null : trainingJson(training),
    rolled_back_to: rolledBackTo,
    inference:
      inference === null
        ? null
        : { inference_id: inference.id, model_version: inference.version, users: inference.users },
    ...(drift === undefined ? { drift: [] } : driftJson(drift)),
    live: live.map(liveJson),
  };
}
