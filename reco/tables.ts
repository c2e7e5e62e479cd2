import type { Engine, Session } from "../engines/engine.ts";

/** Names, ready for SQL, of the relations that recommendations are made from. */
export interface RecoTables {
  listens: string;
  users: string;
  tracks: string;
  trackGenres: string;
  genres: string;
  cutoffs: string;
  userTracks: string;
  featUsers: string;
  featTracks: string;
  segmentTracks: string;
  similarTracks: string;
}

/** A warehouse that is open, and where in it the features are. */
export interface RecoSource {
  engine: Engine;
  session: Session;
  tables: RecoTables;
}

/** The models behind the names. */
export const RECO_MODELS: Record<keyof RecoTables, string> = {
  listens: "fct_listens",
  users: "dim_users",
  tracks: "dim_tracks",
  trackGenres: "bridge_track_genres",
  genres: "dim_genres",
  cutoffs: "feat_cutoffs",
  userTracks: "feat_user_tracks",
  featUsers: "feat_users",
  featTracks: "feat_tracks",
  segmentTracks: "feat_segment_tracks",
  similarTracks: "feat_similar_tracks",
};
