import { at } from "../candidates/matrix.ts";
import { likenessOf, type TrackFacts } from "../candidates/variety.ts";

/** How good the lists of one user are, up to depth k. */
export interface UserScores {
  recall: number;
  precision: number;
  ndcg: number;
  map: number;
  mrr: number;
  hit_rate: number;
}

export const USER_METRICS = ["recall", "precision", "ndcg", "map", "mrr", "hit_rate"] as const;

/** Of one list against the tracks that the user went on to play. Both metrics and names are those of the literature. */
export function scoreList(list: ArrayLike<number>, truth: ReadonlySet<number>, k: number): UserScores {
  const length = Math.min(k, list.length);
  let hits = 0;
  let gain = 0;
  let precisions = 0;
  let first = 0;
  for (let rank = 1; rank <= length; rank++) {
    if (!truth.has(at(list, rank - 1))) continue;
    hits++;
    gain += 1 / Math.log2(rank + 1);
    precisions += hits / rank;
    if (first === 0) first = rank;
  }
  const possible = Math.min(k, truth.size);
  let ideal = 0;
  for (let rank = 1; rank <= possible; rank++) ideal += 1 / Math.log2(rank + 1);
  return {
    recall: truth.size === 0 ? 0 : hits / truth.size,
    precision: hits / k,
    ndcg: ideal === 0 ? 0 : gain / ideal,
    map: possible === 0 ? 0 : precisions / possible,
    mrr: first === 0 ? 0 : 1 / first,
    hit_rate: hits > 0 ? 1 : 0,
  };
}

/** What lists are like, whether they please or not. */
export interface ListMetrics {
  /** The share of the tracks that were played at all which is in somebody's list. */
  coverage: number;
  /** Bits of surprise of a listed track: minus the logarithm of the share of users who knew it. */
  novelty: number;
  /** One minus the mean likeness of two tracks of a list. */
  diversity: number;
  /** Mean percentile of popularity of what is listed; 0.5 would be no bias at all. */
  popularity_bias: number;
}

/** Of all lists together, each cut at k. `listeners` counts the users who knew a track. */
export function describeLists(
  lists: readonly ArrayLike<number>[],
  {
    facts,
    listeners,
    userCount,
    k,
  }: { facts: TrackFacts; listeners: Int32Array; userCount: number; k: number },
): ListMetrics {
  const percentile = percentiles(listeners);
  const named = new Set<number>();
  const sums = { novelty: 0, bias: 0, likeness: 0, tracks: 0, pairs: 0 };
  for (const list of lists) {
    const length = Math.min(k, list.length);
    for (let place = 0; place < length; place++) {
      const track = at(list, place);
      named.add(track);
      sums.tracks++;
      sums.novelty -= Math.log2((at(listeners, track) + 1) / (userCount + 1));
      sums.bias += at(percentile, track);
      for (let other = 0; other < place; other++) {
        sums.likeness += likenessOf(facts, track, at(list, other));
        sums.pairs++;
      }
    }
  }
  const known = listeners.reduce((count, number) => count + (number > 0 ? 1 : 0), 0);
  return {
    coverage: known === 0 ? 0 : named.size / known,
    novelty: mean(sums.novelty, sums.tracks),
    diversity: 1 - mean(sums.likeness, sums.pairs),
    popularity_bias: mean(sums.bias, sums.tracks),
  };
}

function mean(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count;
}

/** Of each track that anybody knew: the share of such tracks that fewer users knew. */
function percentiles(listeners: Int32Array): Float64Array {
  const known = Array.from(listeners.keys()).filter((track) => at(listeners, track) > 0);
  known.sort((left, right) => at(listeners, left) - at(listeners, right) || left - right);
  const result = new Float64Array(listeners.length);
  for (const [rank, track] of known.entries()) result[track] = rank / Math.max(1, known.length - 1);
  return result;
}
