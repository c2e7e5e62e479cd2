import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Scope } from "../../reco/infer/infer.ts";
import { type Training, trainModel } from "../../reco/train/train.ts";
import { collectStep } from "../collect-step.ts";
import type { Outcome } from "../outcome.ts";
import { type Colors, formatSeconds, formatTable, plural } from "../print.ts";
import { inferStep, trainOptions, withReco } from "../reco-step.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import type { Workspace } from "../workspace.ts";

/** `run reco train`: tunes, judges and registers a model, and promotes it when the gate lets it through. */
export async function runRecoTrain(
  workspace: Workspace,
  terminal: Terminal,
  { promote = true }: { promote?: boolean },
): Promise<Outcome> {
  const training = await withReco(workspace, "run reco train", async (place) => {
    await collectStep(workspace, place);
    const options = await trainOptions(workspace, place);
    return trainModel(workspace.ctx, place, { ...options, promotes: options.promotes && promote });
  });
  return {
    exitCode: EXIT.ok,
    summary: summarizeTraining(training),
    text: formatTraining(training, terminal),
    json: trainingJson(training),
  };
}

export function summarizeTraining({ version, judgement, isPromoted, checks }: Training): string {
  const { discover, popularity } = judgement;
  const ndcg = `ndcg ${discover.metrics.ndcg.toFixed(3)}, popularity ${popularity.metrics.ndcg.toFixed(3)}`;
  const failed = checks.filter(({ isMet }) => !isMet);
  const fate = isPromoted
    ? "promoted to champion"
    : failed.length > 0
      ? `stays challenger: ${failed.map(({ text }) => text).join("; ")}`
      : "registered as challenger";
  return `model v${version} trained (${ndcg}), ${fate}`;
}

const SHOWN = [
  "ndcg",
  "recall",
  "precision",
  "map",
  "mrr",
  "hit_rate",
  "coverage",
  "novelty",
  "diversity",
] as const;

function formatTraining(training: Training, { colors }: Terminal): string {
  const { split, experiment, seconds } = training;
  return [
    `learned from listens before ${split.from.slice(0, 10)}, tested on those until ${split.until.slice(0, 10)}`,
    "",
    formatJudgement(training, colors),
    "",
    `${summarizeTraining(training)} (experiment ${experiment}, ${formatSeconds(seconds)})`,
  ].join("\n");
}

/** Metrics of the lists, and what the gate says of them. */
export function formatJudgement(
  { judgement, checks }: Pick<Training, "judgement" | "checks">,
  colors: Colors,
): string {
  const rows = [
    ["discover", judgement.discover.metrics] as const,
    ["  popularity", judgement.popularity.metrics] as const,
    ["on repeat", judgement.on_repeat.metrics] as const,
  ].map(([name, metrics]) => [name, metrics.users, ...SHOWN.map((metric) => metrics[metric].toFixed(3))]);
  return [
    formatTable(["list", "users", ...SHOWN], rows, colors),
    "",
    ...checks.map(({ isMet, text }) => `${isMet ? colors.green("passed") : colors.red("FAILED")}  ${text}`),
  ].join("\n");
}

export function trainingJson({
  experiment,
  version,
  judgement,
  recipe,
  trials,
  checks,
  isPromoted,
  seconds,
  split,
}: Training) {
  return {
    experiment,
    model_version: version,
    promoted: isPromoted,
    split,
    recipe,
    trials,
    ...judgementJson({ judgement, checks }),
    seconds,
  };
}

export function judgementJson({ judgement, checks }: Pick<Training, "judgement" | "checks">) {
  return {
    metrics: {
      discover: { ...judgement.discover.metrics, activity: judgement.discover.activity },
      on_repeat: { ...judgement.on_repeat.metrics, activity: judgement.on_repeat.activity },
      popularity: judgement.popularity.metrics,
    },
    gate: checks.map(({ name, isMet, text }) => ({ name, passed: isMet, text })),
  };
}

export interface InferCommandOptions {
  active?: number;
  top?: number;
  full?: boolean;
  challenger?: boolean;
}

/** `run reco collect`: feedback and answers of the serving API into raw_reco. */
export async function runRecoCollect(workspace: Workspace): Promise<Outcome> {
  const { feedback, answers, erased } = await withWarehouse(
    workspace,
    "run reco collect",
    async (engine, book) => {
      const session = await engine.openSession();
      try {
        return await collectStep(workspace, { source: { engine, session }, book });
      } finally {
        session.close();
      }
    },
  );
  const summary = `${plural(feedback, "event")} of feedback and ${plural(answers, "shown track")} landed${erased > 0 ? `, ${plural(erased, "user")} erased` : ""}`;
  return { exitCode: EXIT.ok, summary, text: summary, json: { feedback, shown_tracks: answers, erased } };
}

/** `run reco infer`: the champion's lists into raw_reco.recommendations and the serving store. */
export async function runRecoInfer(workspace: Workspace, options: InferCommandOptions): Promise<Outcome> {
  const scope = scopeOf(options);
  const inference = await withReco(workspace, "run reco infer", async (place) => {
    await collectStep(workspace, place);
    return inferStep(workspace, place, {
      scope,
      isFull: options.full ?? false,
      alias: options.challenger === true ? "challenger" : "champion",
    });
  });
  const { id, version, users, skipped, listSeconds, seconds, store, expiresAt } = inference;
  const rate = listSeconds > 0 ? Math.round(users / listSeconds) : 0;
  const cost = users === 0 ? "" : ` (${plural(rate, "user")}/s for the lists)`;
  const summary = `lists of ${plural(users, "user")} by model v${version} in ${formatSeconds(seconds)}${cost}, ${plural(skipped, "user")} skipped: nothing new`;
  return {
    exitCode: EXIT.ok,
    summary,
    text: `${summary}\nserved from data/serving/${store} until ${expiresAt.slice(0, 16).replace("T", " ")} UTC`,
    json: {
      inference_id: id,
      model_version: version,
      users,
      skipped,
      users_per_second: rate,
      list_seconds: listSeconds,
      seconds,
      store,
      expires_at: expiresAt,
    },
  };
}

function scopeOf({ active, top }: InferCommandOptions): Scope {
  if (active !== undefined && top !== undefined)
    throw new ProjectError("RECO_USAGE", {
      message: "--active and --top exclude each other",
      where: "run reco infer",
      hint: "give one of them",
      exitCode: EXIT.usage,
    });
  if (active !== undefined) return { kind: "active", days: active };
  return top === undefined ? { kind: "all" } : { kind: "top", users: top };
}
