import { createDiscover } from "../candidates/lists.ts";
import { createAsk, repeatsOf } from "../candidates/members.ts";
import type { Model, Recipe } from "../candidates/model.ts";
import { NOTHING } from "../candidates/top.ts";
import { fitModel } from "../train/fit.ts";
import { listenerOf, type Split } from "../train/split.ts";
import { type Evaluation, evaluateLists } from "./evaluate.ts";

export interface JudgeOptions {
  k: number;
  seed: number;
  isBlocked: (track: number) => boolean;
}

/** How a model did on a split, beside the popularity that it has to beat. */
export interface Judgement {
  discover: Evaluation;
  on_repeat: Evaluation;
  popularity: Evaluation;
}

/** Makes the recipe's model of what was known before the split's cut, and measures its lists by what came after. */
export function judgeRecipe(split: Split, recipe: Recipe, options: JudgeOptions): Judgement {
  return judgeModel(split, fitModel(split.dataset, recipe), options);
}

/** Measures a model that saw nothing after the split's cut. */
export function judgeModel(split: Split, model: Model, options: JudgeOptions): Judgement {
  const { dataset, exams } = split;
  const { isBlocked } = options;
  const discover = createDiscover(model, isBlocked);
  return {
    discover: evaluateLists(dataset, exams.discover, {
      ...options,
      listOf: (row) => discover(listenerOf(dataset, row)).blend.tracks,
    }),
    on_repeat: evaluateLists(dataset, exams.on_repeat, {
      ...options,
      listOf: (row) => repeatsOf(listenerOf(dataset, row), { depth: options.k, isBlocked }).tracks,
    }),
    popularity: judgePopularity(split, model, options),
  };
}

/** The yardstick: what is popular with everybody and not known to the user. */
function judgePopularity({ dataset, exams }: Split, model: Model, options: JudgeOptions): Evaluation {
  const popular = new Map([["all", dataset.segments.get("all") ?? NOTHING]]);
  const ask = createAsk({ ...model, segments: popular }, { depth: options.k, isBlocked: options.isBlocked });
  return evaluateLists(dataset, exams.discover, {
    ...options,
    listOf: (row) => ask(listenerOf(dataset, row), "popular").tracks,
  });
}
