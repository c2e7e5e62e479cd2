import { createBlend } from "../candidates/blend.ts";
import { DEPTH } from "../candidates/lists.ts";
import { createAsk } from "../candidates/members.ts";
import { MEMBERS, type Member, type Recipe } from "../candidates/model.ts";
import type { Ranked } from "../candidates/top.ts";
import { scoreList } from "../evaluate/metrics.ts";
import type { RecoSettings } from "../settings.ts";
import { fitModel } from "./fit.ts";
import { listenerOf, type Split } from "./split.ts";

/** A trial of tuning: what was tried, and its mean ndcg on the inner split. */
export interface Trial {
  what: string;
  ndcg: number;
}

export interface Tuning {
  recipe: Recipe;
  trials: Trial[];
}

const ALONE: Record<Member, number> = { popular: 0, segment: 0, artists: 0, neighbours: 0, factors: 0 };
const STEPS = [0, 0.25, 0.5, 1, 2];
const ROUNDS = 2;

/** The recipe that does best on the split, which has to lie before the one that the model is judged by. */
export function tuneRecipe(split: Split, settings: RecoSettings): Tuning {
  const trials: Trial[] = [];
  const candidates = new Map<Member, Ranked[]>();
  const recipe = firstRecipe(settings);
  const tell = (what: string, ndcg: number) => void trials.push({ what, ndcg });
  const tryMember = (member: Member, tried: Recipe) => {
    const named = candidatesOf(split, { ...tried, weights: { ...ALONE, [member]: 1 } }, member);
    return { named, ndcg: meanNdcg(split, (place) => named[place]?.tracks ?? [], settings.k) };
  };
  for (const member of ["popular", "segment", "artists"] as const) {
    const { named, ndcg } = tryMember(member, recipe);
    candidates.set(member, named);
    tell(member, ndcg);
  }
  let most = -1;
  for (const measure of ["cosine", "bm25"] as const) {
    const { named, ndcg } = tryMember("neighbours", { ...recipe, measure });
    tell(`neighbours ${measure}`, ndcg);
    if (ndcg <= most) continue;
    most = ndcg;
    recipe.measure = measure;
    candidates.set("neighbours", named);
  }
  most = -1;
  for (const als of alsOptions(settings)) {
    const { named, ndcg } = tryMember("factors", { ...recipe, als });
    tell(`factors alpha=${als.alpha} regularization=${als.regularization}`, ndcg);
    if (ndcg <= most) continue;
    most = ndcg;
    recipe.als = als;
    candidates.set("factors", named);
  }
  recipe.weights = tuneWeights(split, candidates, { settings, tell });
  return { recipe, trials };
}

function alsOptions({ als, seed }: RecoSettings): Recipe["als"][] {
  const { factors, iterations } = als;
  return als.alpha.flatMap((alpha) =>
    als.regularization.map((regularization) => ({ factors, iterations, regularization, alpha, seed })),
  );
}

function firstRecipe(settings: RecoSettings): Recipe {
  const [als] = alsOptions(settings);
  if (als === undefined) throw new Error("the settings allow no empty list of parameters");
  return { measure: "cosine", als, weights: { ...ALONE, neighbours: 1 } };
}

function candidatesOf({ dataset, exams }: Split, recipe: Recipe, member: Member): Ranked[] {
  const ask = createAsk(fitModel(dataset, recipe), { depth: DEPTH, isBlocked: () => false });
  return exams.discover.users.map(({ row }) => ask(listenerOf(dataset, row), member));
}

function meanNdcg({ exams }: Split, listOf: (place: number) => ArrayLike<number>, k: number): number {
  const { users } = exams.discover;
  const sum = users.reduce((total, { truth }, place) => total + scoreList(listOf(place), truth, k).ndcg, 0);
  return users.length === 0 ? 0 : sum / users.length;
}

/** From the best single member one weight after another, as long as it helps. */
function tuneWeights(
  split: Split,
  candidates: ReadonlyMap<Member, Ranked[]>,
  { settings: { k }, tell }: { settings: RecoSettings; tell: (what: string, ndcg: number) => void },
): Record<Member, number> {
  const blend = createBlend(split.dataset.catalogue.ids.length, k);
  const users = split.exams.discover.users.map(
    (_, place) => new Map([...candidates].flatMap(([member, lists]) => pairOf(member, lists[place]))),
  );
  const scoreOf = (weights: Record<Member, number>) =>
    meanNdcg(split, (place) => blend(users[place] ?? new Map(), weights).tracks, k);
  const alone = MEMBERS.map((member) => ({ ...ALONE, [member]: 1 }));
  let best = alone.map((weights) => ({ weights, ndcg: scoreOf(weights) })).reduce(better);
  for (let round = 0; round < ROUNDS; round++) {
    for (const member of MEMBERS)
      for (const step of STEPS) {
        const weights = { ...best.weights, [member]: step };
        if (MEMBERS.every((name) => weights[name] === 0)) continue;
        best = better(best, { weights, ndcg: scoreOf(weights) });
      }
  }
  tell(`blend ${JSON.stringify(best.weights)}`, best.ndcg);
  return best.weights;
}

function pairOf(member: Member, list: Ranked | undefined): [Member, Ranked][] {
  return list === undefined ? [] : [[member, list]];
}

/** The former one when both are equal, so that the order of trials decides. */
function better<T extends { ndcg: number }>(former: T, next: T): T {
  return next.ndcg > former.ndcg ? next : former;
}
