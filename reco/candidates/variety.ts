import { at } from "./matrix.ts";
import { type Ranked, Top } from "./top.ts";

/** What lists are measured and varied by. */
export interface TrackFacts {
  artistOf: readonly string[];
  genresOf: readonly (readonly string[])[];
}

/** How alike two tracks are to a listener's ear, from 0 to 1: half for the artist, half for the genres they share. */
export function likenessOf({ artistOf, genresOf }: TrackFacts, left: number, right: number): number {
  const own = genresOf[left] ?? [];
  const other = genresOf[right] ?? [];
  const shared = own.filter((genre) => other.includes(genre)).length;
  const union = own.length + other.length - shared;
  const sameArtist = artistOf[left] === artistOf[right] && artistOf[left] !== "" ? 0.5 : 0;
  return sameArtist + (union === 0 ? 0 : (0.5 * shared) / union);
}

export interface ListRules {
  length: number;
  /** 0 keeps the order of liking; towards 1 each track is to differ from those before it. */
  variety: number;
  maxPerArtist: number;
}

/**
 * A list of the wanted length from ranked candidates: one after another the track with the best of liking against
 * likeness to the tracks chosen just before (maximal marginal relevance), no artist more often than the cap.
 */
export function pickList(candidates: Ranked, facts: TrackFacts, rules: ListRules): Ranked {
  const { length, variety, maxPerArtist } = rules;
  const best = at(candidates.scores, 0) || 1;
  const open = Array.from(candidates.tracks, (track, place) => ({
    track,
    score: at(candidates.scores, place),
    liking: at(candidates.scores, place) / best,
    likeness: 0,
  }));
  const perArtist = new Map<string, number>();
  const chosen: { track: number; score: number }[] = [];
  while (chosen.length < length && open.length > 0) {
    const next = takeBest(open, variety);
    const artist = facts.artistOf[next.track] ?? "";
    const count = perArtist.get(artist) ?? 0;
    if (artist !== "" && count >= maxPerArtist) continue;
    perArtist.set(artist, count + 1);
    chosen.push(next);
    if (variety === 0) continue;
    for (const other of open)
      other.likeness = Math.max(other.likeness * FADING, likenessOf(facts, other.track, next.track));
  }
  return {
    tracks: Int32Array.from(chosen, ({ track }) => track),
    scores: Float32Array.from(chosen, ({ score }) => score),
  };
}

/** By which the likeness to a track counts less with every track that follows it. */
const FADING = 0.8;

interface Open {
  track: number;
  score: number;
  liking: number;
  likeness: number;
}

function takeBest(open: Open[], variety: number): Open {
  let place = 0;
  let most = Number.NEGATIVE_INFINITY;
  if (variety > 0)
    for (const [index, { liking, likeness }] of open.entries()) {
      const worth = (1 - variety) * liking - variety * likeness;
      if (worth > most) [place, most] = [index, worth];
    }
  const [next] = open.splice(place, 1);
  if (next === undefined) throw new Error("nothing to take from an empty list");
  return next;
}

/** The same tracks, each close to the one before it: for playing in one go. The first one stays. */
export function inCoherentOrder(list: Ranked, facts: TrackFacts): Ranked {
  const open = Array.from(list.tracks, (track, place) => ({ track, score: at(list.scores, place), place }));
  const ordered = open.splice(0, 1);
  while (open.length > 0) {
    const last = ordered.at(-1)?.track ?? 0;
    const top = new Top(1);
    for (const [index, { track, place }] of open.entries())
      top.offer(index, likenessOf(facts, last, track) - place * 1e-4);
    ordered.push(...open.splice(at(top.take().tracks, 0), 1));
  }
  return {
    tracks: Int32Array.from(ordered, ({ track }) => track),
    scores: Float32Array.from(ordered, ({ score }) => score),
  };
}
