import { at } from "./matrix.ts";
import type { Member } from "./model.ts";
import { type Ranked, Top } from "./top.ts";

/** What each asked member named. */
export type Candidates = ReadonlyMap<Member, Ranked>;

/** A way to join what members named: by the weighted sum of their scores, each member's best one being 1. */
export function createBlend(
  trackCount: number,
  depth: number,
): (candidates: Candidates, weights: Readonly<Record<Member, number>>) => Ranked {
  const sums = new Float64Array(trackCount);
  const isTouched = new Uint8Array(trackCount);
  const top = new Top(depth);
  return (candidates, weights) => {
    const touched: number[] = [];
    for (const [member, { tracks, scores }] of candidates) {
      const best = at(scores, 0);
      if (weights[member] === 0 || best <= 0) continue;
      const factor = weights[member] / best;
      for (let place = 0; place < tracks.length; place++) {
        const track = tracks[place] ?? 0;
        if (isTouched[track] === 0) {
          isTouched[track] = 1;
          touched.push(track);
        }
        sums[track] = (sums[track] ?? 0) + factor * Math.max(0, scores[place] ?? 0);
      }
    }
    for (const track of touched) {
      top.offer(track, sums[track] ?? 0);
      sums[track] = 0;
      isTouched[track] = 0;
    }
    return top.take();
  };
}
