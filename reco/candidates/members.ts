import { BLOCK, createKernelScoring } from "../kernel/scores.ts";
import { createFolding } from "./als.ts";
import { at, rowRange, rowSize, type SparseRows } from "./matrix.ts";
import type { Member, Model } from "./model.ts";
import { NOTHING, type Ranked, Top } from "./top.ts";

/** A user, as far as the lists depend on it. */
export interface Listener {
  id: string;
  /** The row of the user in the matrices of plays. */
  row: number;
  plays: SparseRows;
  decayed: SparseRows;
  /** The same entries as they are learned from: plays, and what the user said; below zero what was disliked. */
  weights: SparseRows;
  segment: string;
}

/** Candidates that a member names for a user: at most `depth`, none of the tracks that the user knows or that are blocked. */
export type Ask = (listener: Listener, member: Member) => Ranked;

/** A way to ask the members of a model. `isBlocked` tells of a track whether rules forbid it. */
export function createAsk(
  model: Model,
  { depth, isBlocked }: { depth: number; isBlocked: (track: number) => boolean },
): Ask {
  const trackCount = model.trackIds.length;
  const isKnown = new Uint8Array(trackCount);
  const blocked = Uint8Array.from({ length: trackCount }, (_, track) => (isBlocked(track) ? 1 : 0));
  const members = {
    popular: () => listed(model.segments.get("all") ?? NOTHING),
    segment: ({ segment }: Listener) => listed(model.segments.get(segment) ?? NOTHING),
    artists: byArtists(model),
    neighbours: byNeighbours(model),
    factors: byFactors(model),
  } satisfies Record<Member, (listener: Listener) => (offer: Offer, floor: () => number) => void>;
  const top = new Top(depth);
  return (listener, member) => {
    const known = tracksOf(listener);
    for (const track of known) isKnown[track] = 1;
    const offer = (track: number, score: number) => {
      if (score >= top.floor && isKnown[track] === 0 && blocked[track] === 0) top.offer(track, score);
    };
    members[member](listener)(offer, () => top.floor);
    for (const track of known) isKnown[track] = 0;
    return top.take();
  };
}

type Offer = (track: number, score: number) => void;

function listed({ tracks, scores }: Ranked): (offer: Offer) => void {
  return (offer) => {
    for (let place = 0; place < tracks.length; place++) offer(at(tracks, place), at(scores, place));
  };
}

function tracksOf({ plays, row }: Pick<Listener, "plays" | "row">): Int32Array {
  return plays.columns.subarray(...rowRange(plays, row));
}

/** Unknown tracks of artists whom the user plays, the more the more the user plays the artist and others the track. */
function byArtists(model: Model) {
  return ({ weights, row }: Listener) =>
    (offer: Offer) => {
      const shares = new Map<string, number>();
      const [from, to] = rowRange(weights, row);
      for (let entry = from; entry < to; entry++) {
        const artist = model.artistOf[at(weights.columns, entry)] ?? "";
        shares.set(artist, (shares.get(artist) ?? 0) + at(weights.values, entry));
      }
      for (const [artist, share] of shares)
        if (share > 0)
          listed(model.artists.get(artist) ?? NOTHING)((track, score) =>
            offer(track, share * Math.log1p(score)),
          );
    };
}

/** The sum over the user's tracks of weight times likeness. */
function byNeighbours({ neighbours, trackIds }: Model) {
  const sums = new Float64Array(trackIds.length);
  const isTouched = new Uint8Array(trackIds.length);
  const touched = new Int32Array(trackIds.length);
  return ({ weights, row }: Listener) =>
    (offer: Offer) => {
      let count = 0;
      const [from, to] = rowRange(weights, row);
      for (let entry = from; entry < to; entry++) {
        const weight = at(weights.values, entry);
        const [first, last] = rowRange(neighbours, at(weights.columns, entry));
        for (let place = first; place < last; place++) {
          const track = neighbours.columns[place] ?? 0;
          if (isTouched[track] === 0) {
            isTouched[track] = 1;
            touched[count++] = track;
          }
          sums[track] = (sums[track] ?? 0) + weight * (neighbours.values[place] ?? 0);
        }
      }
      for (let place = 0; place < count; place++) {
        const track = touched[place] ?? 0;
        offer(track, sums[track] ?? 0);
        sums[track] = 0;
        isTouched[track] = 0;
      }
    };
}

/** The product of the user's factors, made from the history, with those of each track. */
function byFactors(model: Model) {
  const { factors, recipe, trackIds } = model;
  const scoring = factors.length === 0 ? undefined : createKernelScoring(factors, recipe.als);
  if (scoring === undefined) return byPlainFactors(model);
  return ({ weights, row }: Listener) =>
    (offer: Offer, floor: () => number) => {
      const [from, to] = rowRange(weights, row);
      if (from === to) return;
      const scores = scoring.score(weights.columns.subarray(from, to), weights.values.subarray(from, to));
      for (let first = 0; first < trackIds.length; first += BLOCK) {
        // Of a block only what is above the floor is looked at; an equal score of a later track ranks behind.
        const found = scoring.above(first, Math.min(first + BLOCK, scores.length), floor());
        for (let place = 0; place < found.length; place++) {
          const track = first + (found[place] ?? 0);
          if (track < trackIds.length) offer(track, scores[track] ?? 0);
        }
      }
    };
}

/** The same without WebAssembly. */
function byPlainFactors({ factors, recipe, trackIds }: Model) {
  const width = recipe.als.factors;
  const fold = factors.length === 0 ? undefined : createFolding(factors, recipe.als);
  return ({ weights, row }: Listener) =>
    (offer: Offer) => {
      if (fold === undefined || rowSize(weights, row) === 0) return;
      const own = fold(weights, row);
      for (let track = 0; track < trackIds.length; track++) {
        let sum = 0;
        const start = track * width;
        for (let place = 0; place < width; place++) sum += (factors[start + place] ?? 0) * (own[place] ?? 0);
        offer(track, sum);
      }
    };
}

/** Tracks that the user came back to of late or likes, those most that were played much and not long ago. */
export function repeatsOf(
  { decayed, row }: Listener,
  { depth, isBlocked }: { depth: number; isBlocked: (track: number) => boolean },
): Ranked {
  const top = new Top(depth);
  const [from, to] = rowRange(decayed, row);
  for (let entry = from; entry < to; entry++) {
    const track = at(decayed.columns, entry);
    if (at(decayed.values, entry) > 0 && !isBlocked(track)) top.offer(track, at(decayed.values, entry));
  }
  return top.take();
}
