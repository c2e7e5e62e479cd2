import type { AlsOptions } from "./als.ts";
import type { SparseRows } from "./matrix.ts";
import type { Ranked } from "./top.ts";

/** The ways in which a track that a user does not know becomes a candidate. */
export const MEMBERS = ["popular", "segment", "artists", "neighbours", "factors"] as const;
export type Member = (typeof MEMBERS)[number];

/** What training decides; together with data and code it makes the model. */
export interface Recipe {
  measure: "cosine" | "bm25";
  als: AlsOptions;
  /** How much each member's word counts in the blend; a member with 0 is not asked. */
  weights: Record<Member, number>;
}

/** A model over the tracks of one catalogue. It knows no users: whatever it says of one comes from the user's history. */
export interface Model {
  recipe: Recipe;
  /** Nothing after it was seen. */
  cutoff: string;
  trackIds: readonly string[];
  /** Row by row the neighbours of a track, the track itself among them. */
  neighbours: SparseRows;
  /** Of the tracks, `recipe.als.factors` numbers each; empty when the blend does without. */
  factors: Float32Array;
  /** Popular of late, by segment; `all` has everybody. */
  segments: ReadonlyMap<string, Ranked>;
  /** By artist, the artist's tracks with how popular they are. */
  artists: ReadonlyMap<string, Ranked>;
  artistOf: readonly string[];
  /** Lists that were made elsewhere, instead of the members' blend. */
  given?: GivenLists;
}

/** Tracks for users, the best first. */
export interface GivenLists {
  userIds: readonly string[];
  /** Users by tracks, with scores above zero that fall from track to track. */
  rows: SparseRows;
}
