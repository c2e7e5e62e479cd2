import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { RecoSource } from "../tables.ts";
import { interactionsSql, numberedPlaces, type Weights } from "../train/interactions.ts";

/** A file to hand out: its name without the ending, and what is in it. */
export interface ExportPart {
  name: string;
  query: string;
}

const MARKS = ["newest", "split", "inner_split"];

/**
 * The cut-off, one that features are there for, that a name (`split`, `newest`, `inner_split`) or a time says. Throws
 * RECO_CUTOFF_UNKNOWN (exit 2).
 */
export async function findCutoff({ session, tables }: RecoSource, wanted: string): Promise<string> {
  const { rows } = await session.query(
    `select cast(cutoff as varchar), purpose from ${tables.cutoffs} order by cutoff desc`,
  );
  const cutoffs = rows.map(([cutoff, purpose]) => ({ cutoff: String(cutoff), purpose: String(purpose) }));
  const time = wanted.replace("T", " ").replace(/Z$/, "");
  const found = cutoffs.find(({ cutoff, purpose }) =>
    MARKS.includes(wanted) ? purpose === wanted : cutoff === time || cutoff === `${time} 00:00:00`,
  );
  if (found !== undefined) return found.cutoff;
  throw new ProjectError("RECO_CUTOFF_UNKNOWN", {
    message: `there are no features as of "${wanted}"`,
    where: "run reco export",
    why:
      cutoffs.length === 0
        ? ["no listen was ever loaded"]
        : [...nearestLine(wanted, MARKS), `there are ${cutoffs.map(textOf).join(", ")}`],
    hint: `give one of these, or build others: run models --select +feat_cutoffs+ --vars '{feature_cutoffs: "2026-01-31"}'`,
    exitCode: EXIT.usage,
  });
}

function textOf({ cutoff, purpose }: { cutoff: string; purpose: string }): string {
  return `${cutoff.replace(" 00:00:00", "")} (${purpose})`;
}

/**
 * What was known before a cut-off, for models that are made elsewhere: nothing that came after it is in it, but for
 * names of tracks. Users of whom `isErased` says so are left out.
 */
export async function exportParts(
  source: RecoSource,
  { cutoff, weights, isErased }: { cutoff: string; weights: Weights; isErased: (user: string) => boolean },
): Promise<ExportPart[]> {
  const { tables, engine, session } = source;
  const moment = `cast(${engine.literal(cutoff)} as timestamp)`;
  const { rows } = await session.query(`select cast(user_id as varchar) from ${tables.users}`);
  const erased = rows.map(([user]) => String(user)).filter(isErased);
  const kept =
    erased.length === 0
      ? "true"
      : `cast(user_id as varchar) not in (${erased.map((user) => engine.literal(user)).join(", ")})`;
  const interactions = interactionsSql(source, { cutoff, open: "nothing", weights });
  return [
    {
      name: "interactions",
      query: `with ${numberedPlaces(source)}
select users.user_id, tracks.track_id, pairs.plays, pairs.decayed_plays, pairs.weight
from (${interactions}) as pairs (user_place, track_place, plays, decayed_plays, weight)
inner join numbered_users as users on users.place = pairs.user_place
inner join numbered_tracks as tracks on tracks.place = pairs.track_place
where ${kept.replace("user_id", "users.user_id")}
order by users.user_id, tracks.track_id`,
    },
    {
      name: "listens",
      query: `select user_id, track_id, listened_at from ${tables.listens}
where listened_at < ${moment} and user_key is not null and track_key is not null and ${kept}
order by listened_at, user_id, track_id`,
    },
    {
      name: "users",
      query: `select * from ${tables.featUsers} where cutoff = ${moment} and ${kept} order by user_id`,
    },
    {
      name: "tracks",
      query: `select * from ${tables.featTracks} where cutoff = ${moment} order by track_id`,
    },
    {
      name: "user_tracks",
      query: `select * from ${tables.userTracks} where cutoff = ${moment} and ${kept} order by user_id, track_id`,
    },
    {
      name: "catalogue",
      query: `select tracks.track_id, any_value(tracks.track_name) as title, any_value(tracks.artist_name) as artist,
  string_agg(genres.genre_name, ', ' order by genres.genre_name) as genres
from ${tables.tracks} as tracks
left join ${tables.trackGenres} as bridge on bridge.track_key = tracks.track_key
left join ${tables.genres} as genres on genres.genre_key = bridge.genre_key
group by tracks.track_id
order by tracks.track_id`,
    },
  ];
}
