import { type SparseRows, sparseRows } from "../candidates/matrix.ts";
import type { Ranked } from "../candidates/top.ts";
import type { RecoSource } from "../tables.ts";
import { numberedPlaces, type Open, readInteractions, type Weights } from "./interactions.ts";

/** All tracks, in the order of their ids; other parts name a track by its place here. */
export interface Catalogue {
  ids: string[];
  titles: string[];
  artists: string[];
  genres: string[][];
  places: ReadonlyMap<string, number>;
}

/** All users, in the order of their ids. */
export interface Users {
  ids: string[];
  /** The genre that the user plays most or likes, `all` where nothing is known; as of the cut-off. */
  segments: string[];
  places: ReadonlyMap<string, number>;
}

/** What was known before a moment. */
export interface Dataset {
  /** `2026-10-31 00:00:00`. */
  cutoff: string;
  catalogue: Catalogue;
  users: Users;
  /** Users by tracks. */
  plays: SparseRows;
  /** The same entries, each play and like counting half as much for every 30 days of its age; 0 what is disliked. */
  decayed: SparseRows;
  /** The same entries as they are learned from: plays and what the user said, below zero what is disliked. */
  weights: SparseRows;
  neighbours: { cosine: SparseRows; bm25: SparseRows };
  /** By segment: tracks that are popular of late. */
  segments: Map<string, Ranked>;
}

export interface Cutoffs {
  newest: string;
  split: string;
  innerSplit: string;
}

/** The cut-offs that features are there for. Undefined while no listen was ever loaded. */
export async function readCutoffs({ session, tables }: RecoSource): Promise<Cutoffs | undefined> {
  const { rows } = await session.query(
    `select purpose, cast(cutoff as varchar) from ${tables.cutoffs} where purpose <> 'asked'`,
  );
  const {
    newest,
    split,
    inner_split: innerSplit,
  } = Object.fromEntries(rows.map(([purpose, cutoff]) => [String(purpose), String(cutoff)]));
  if (newest === undefined || split === undefined || innerSplit === undefined) return undefined;
  return { newest, split, innerSplit };
}

export async function readCatalogue({ session, tables }: RecoSource): Promise<Catalogue> {
  const { rows } = await session.query(
    `select cast(tracks.track_id as varchar), coalesce(any_value(tracks.track_name), ''), coalesce(any_value(tracks.artist_name), ''),
  coalesce(string_agg(genres.genre_name, chr(31) order by genres.genre_name), '')
from ${tables.tracks} as tracks
left join ${tables.trackGenres} as bridge on bridge.track_key = tracks.track_key
left join ${tables.genres} as genres on genres.genre_key = bridge.genre_key
group by tracks.track_id
order by tracks.track_id`,
  );
  const ids = rows.map(([id]) => String(id));
  return {
    ids,
    titles: rows.map(([, title]) => String(title)),
    artists: rows.map(([, , artist]) => String(artist)),
    genres: rows.map(([, , , genres]) => (genres === "" ? [] : String(genres).split("\u001f"))),
    places: placesOf(ids),
  };
}

export interface DatasetOptions {
  /** One that features are there for. */
  cutoff: string;
  catalogue: Catalogue;
  weights: Weights;
  /** Where there is nothing to be measured, what came after the cut-off may count too; nothing by default. */
  open?: Open;
}

/** What was known before a cut-off. */
export async function readDataset(source: RecoSource, options: DatasetOptions): Promise<Dataset> {
  const { cutoff, catalogue, open = "nothing" } = options;
  const users = await readUsers(source, cutoff);
  const pairs = await readInteractions(source, { cutoff, open, weights: options.weights });
  const matrix = (values: Float64Array) =>
    sparseRows(users.ids.length, { rows: pairs.users, columns: pairs.tracks, values });
  return {
    cutoff,
    catalogue,
    users,
    plays: matrix(pairs.plays),
    decayed: matrix(pairs.decayed),
    weights: matrix(pairs.weights),
    neighbours: {
      cosine: await readNeighbours(source, { cutoff, measure: "cosine", catalogue }),
      bm25: await readNeighbours(source, { cutoff, measure: "bm25", catalogue }),
    },
    segments: await readSegments(source, { cutoff, catalogue }),
  };
}

async function readUsers({ session, tables, engine }: RecoSource, cutoff: string): Promise<Users> {
  const { rows } = await session.query(
    `select cast(users.user_id as varchar), coalesce(features.segment, 'all')
from ${tables.users} as users
left join ${tables.featUsers} as features
  on features.user_id = users.user_id and features.cutoff = cast(${engine.literal(cutoff)} as timestamp)
order by users.user_id`,
  );
  const ids = rows.map(([id]) => String(id));
  return { ids, segments: rows.map(([, segment]) => String(segment)), places: placesOf(ids) };
}

function placesOf(ids: readonly string[]): Map<string, number> {
  return new Map(ids.map((id, place) => [id, place]));
}

const EMPTY = new Float64Array(0);

async function readNeighbours(
  source: RecoSource,
  { cutoff, measure, catalogue }: { cutoff: string; measure: "cosine" | "bm25"; catalogue: Catalogue },
): Promise<SparseRows> {
  const { session, tables, engine } = source;
  const [rows = EMPTY, columns = EMPTY, values = EMPTY] = await session.queryNumbers(
    `with ${numberedPlaces(source)}
select own.place, other.place, likeness.similarity
from ${tables.similarTracks} as likeness
inner join numbered_tracks as own on own.track_id = likeness.track_id
inner join numbered_tracks as other on other.track_id = likeness.similar_track_id
where likeness.cutoff = cast(${engine.literal(cutoff)} as timestamp) and likeness.measure = ${engine.literal(measure)}
order by own.place, likeness.similarity_rank`,
  );
  return sparseRows(catalogue.ids.length, { rows, columns, values });
}

async function readSegments(
  { session, tables, engine }: RecoSource,
  { cutoff, catalogue }: { cutoff: string; catalogue: Catalogue },
): Promise<Map<string, Ranked>> {
  const { rows } = await session.query(
    `select segment, cast(track_id as varchar), decayed_plays
from ${tables.segmentTracks}
where cutoff = cast(${engine.literal(cutoff)} as timestamp)
order by segment, recent_rank`,
  );
  const lists = new Map<string, { tracks: number[]; scores: number[] }>();
  for (const [segment, id, score] of rows) {
    const track = catalogue.places.get(String(id));
    if (track === undefined) continue;
    const list = lists.get(String(segment)) ?? { tracks: [], scores: [] };
    list.tracks.push(track);
    list.scores.push(Number(score));
    lists.set(String(segment), list);
  }
  return new Map(
    [...lists].map(([segment, { tracks, scores }]) => [
      segment,
      { tracks: Int32Array.from(tracks), scores: Float32Array.from(scores) },
    ]),
  );
}

/** Tracks that each user played from one moment up to before another. */
export async function readTruth(
  source: RecoSource,
  { from, to }: { from: string; to: string },
): Promise<Map<number, number[]>> {
  const { session, tables, engine } = source;
  const [users = EMPTY, tracks = EMPTY] = await session.queryNumbers(
    `with ${numberedPlaces(source)}
select distinct users.place, tracks.place
from ${tables.listens} as listens
inner join numbered_users as users on users.user_id = listens.user_id
inner join numbered_tracks as tracks on tracks.track_id = listens.track_id
where listens.listened_at >= cast(${engine.literal(from)} as timestamp)
  and listens.listened_at < cast(${engine.literal(to)} as timestamp)
order by users.place, tracks.place`,
  );
  const truth = new Map<number, number[]>();
  users.forEach((user, place) => {
    const played = truth.get(user) ?? [];
    played.push(tracks[place] ?? 0);
    truth.set(user, played);
  });
  return truth;
}
