import { RAW_FEEDBACK } from "../feedback/raw-tables.ts";
import type { RecoSettings } from "../settings.ts";
import type { RecoSource } from "../tables.ts";

/** In plays: what feedback counts as. */
export interface Weights {
  /** Added where the last word is a like. */
  like: number;
  /** Instead of all plays where the last word is a dislike: so much against it. */
  dislike: number;
  /** Added for each listen that was long enough; the history may have it too. */
  listen: number;
  /** Taken away for each skip that came before that. */
  skip: number;
  minListenMs: number;
}

export function weightsOf({ feedback, serving }: RecoSettings): Weights {
  return { ...feedback, minListenMs: serving.min_listen_ms };
}

/** Entries of users by tracks, by their places. */
export interface Interactions {
  users: Float64Array;
  tracks: Float64Array;
  plays: Float64Array;
  decayed: Float64Array;
  weights: Float64Array;
}

const EMPTY = new Float64Array(0);

/** What counts though it came after a cut-off. */
export type Open = "nothing" | "feedback" | "everything";

/** Plays before a cut-off and what users had said by then. */
export async function readInteractions(
  source: RecoSource,
  options: { cutoff: string; open: Open; weights: Weights },
): Promise<Interactions> {
  const [users = EMPTY, tracks = EMPTY, plays = EMPTY, decayed = EMPTY, weights = EMPTY] =
    await source.session.queryNumbers(interactionsSql(source, options));
  return { users, tracks, plays, decayed, weights };
}

/** Both places in one statement: a join with numbered ids costs less than texts in memory. */
export function numberedPlaces({ tables }: RecoSource): string {
  return `numbered_users as (select user_id, row_number() over (order by user_id) - 1 as place from ${tables.users}),
numbered_tracks as (select track_id, row_number() over (order by track_id) - 1 as place from ${tables.tracks})`;
}

export function interactionsSql(
  source: RecoSource,
  { cutoff, open, weights }: { cutoff: string; open: Open; weights: Weights },
): string {
  const { tables, engine } = source;
  const moment = `cast(${engine.literal(cutoff)} as timestamp)`;
  const later =
    open === "everything"
      ? `union all select user_id, track_id, 1 as plays, 1.0 as decayed_plays from ${tables.listens}
  where listened_at >= ${moment} and user_key is not null and track_key is not null`
      : "";
  const { like, dislike, listen, skip, minListenMs } = weights;
  return `with ${numberedPlaces(source)},
pairs as (select user_id, track_id, plays, decayed_plays from ${tables.userTracks} where cutoff = ${moment} ${later}),
played as (
  select users.place as user_place, tracks.place as track_place, cast(sum(plays) as double) as plays, sum(decayed_plays) as decayed
  from pairs
  inner join numbered_users as users on users.user_id = pairs.user_id
  inner join numbered_tracks as tracks on tracks.track_id = pairs.track_id
  group by users.place, tracks.place
),
said as (
  select users.place as user_place, tracks.place as track_place,
    arg_max(kind, (received_at, seq)) filter (where kind in ('like', 'dislike')) as opinion,
    max(received_at) filter (where kind = 'like') as liked_at,
    count(*) filter (where kind = 'listen' and listened_ms >= ${minListenMs}) as listens,
    count(*) filter (where kind = 'skip' and coalesce(listened_ms, 0) < ${minListenMs}) as skips
  from ${engine.nameOf(RAW_FEEDBACK)} as feedback
  inner join numbered_users as users on cast(users.user_id as varchar) = feedback.user_id
  inner join numbered_tracks as tracks on cast(tracks.track_id as varchar) = feedback.track_id
  where kind <> 'impression' ${open === "nothing" ? `and received_at < ${moment}` : ""}
  group by users.place, tracks.place
),
weighed as (
  select coalesce(played.user_place, said.user_place) as user_place, coalesce(played.track_place, said.track_place) as track_place,
    coalesce(plays, 0) as plays, coalesce(decayed, 0) as decayed, coalesce(opinion, '') as opinion,
    coalesce(${listen} * listens - ${skip} * skips, 0) as heard,
    ${like} * power(0.5, greatest(0, date_diff('second', liked_at, ${moment})) / 2592000.0) as liked
  from played
  full join said on said.user_place = played.user_place and said.track_place = played.track_place
)
select user_place, track_place, plays,
  case opinion when 'dislike' then 0 when 'like' then decayed + liked else decayed end,
  case opinion when 'dislike' then -${dislike} when 'like' then plays + heard + ${like} else plays + heard end
from weighed
where plays > 0 or opinion <> '' or heard <> 0
order by user_place, track_place`;
}
