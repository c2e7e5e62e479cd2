import type { RecoSource } from "../tables.ts";

/** A stretch of time: `2026-10-31 00:00:00`, the end not in it. */
export interface Stretch {
  from: string;
  until: string;
}

/** What is compared: the end of the data that a model learned from, and a stretch after it. */
export interface Compared {
  /** Nothing from this moment on was learned from. */
  cutoff: string;
  reference: Stretch;
  /** As long as the current one, right before the cut-off. */
  shortReference: Stretch;
  current: Stretch;
  /** The moment of the features that stand for the current stretch; null where there are none. */
  features: string | null;
}

/**
 * The samples of all measures that listens and features tell, as `divergenceQuery` wants them:
 * - features: of users and tracks at the cut-off and now. Those are taken that a longer history alone does not change.
 * - popularity: listens by the rank that their track had in the reference, and by genre.
 * - cold: listens by whether user and track had been heard of before. In the reference that is before its own last
 *   days, so that both sides have the same time to become cold in.
 */
export function samplesQuery(source: RecoSource, compared: Compared): string {
  const { tables } = source;
  const parts = [...popularity(source, compared), ...cold(source, compared), ...features(source, compared)];
  return `with listens as (
  select user_id, track_id, track_key, listened_at from ${tables.listens}
  where user_key is not null and track_key is not null
),
sides as (
  select 'reference' as side, track_id, track_key from listens where ${within(source, compared.reference)}
  union all
  select 'current', track_id, track_key from listens where ${within(source, compared.current)}
),
places as (
  select track_id, row_number() over (order by count(*) desc, track_id) as place
  from sides where side = 'reference' group by track_id
)
${parts.join("\nunion all\n")}`;
}

function within({ engine }: RecoSource, { from, until }: Stretch): string {
  const moment = (text: string) => `cast(${engine.literal(text)} as timestamp)`;
  return `listened_at >= ${moment(from)} and listened_at < ${moment(until)}`;
}

function popularity({ tables }: RecoSource, _compared: Compared): string[] {
  return [
    `select 'popularity' as kind, 'track rank' as measure, sides.side, cast(places.place as double) as number,
  case when places.place is null then 'not played before' end as category, count(*) as n
from sides left join places on places.track_id = sides.track_id
group by sides.side, places.place`,
    `select 'popularity', 'genre', sides.side, cast(null as double), genres.genre_name, count(*)
from sides
inner join ${tables.trackGenres} as bridge on bridge.track_key = sides.track_key
inner join ${tables.genres} as genres on genres.genre_key = bridge.genre_key
group by sides.side, genres.genre_name`,
  ];
}

function cold(source: RecoSource, { shortReference, current, cutoff }: Compared): string[] {
  const { engine } = source;
  const sides = [
    { side: "reference", stretch: shortReference, before: shortReference.from },
    { side: "current", stretch: current, before: cutoff },
  ];
  return (["user", "track"] as const).flatMap((entity) =>
    sides.map(
      ({ side, stretch, before }) => `select 'cold', 'new ${entity}s', '${side}', cast(null as double),
  case when known.${entity}_id is null then 'new' else 'known' end, count(*)
from (select ${entity}_id from listens where ${within(source, stretch)}) as heard
left join (select distinct ${entity}_id from listens where listened_at < cast(${engine.literal(before)} as timestamp)) as known
  on known.${entity}_id = heard.${entity}_id
group by 5`,
    ),
  );
}

const USER_FEATURES = ["sessions_28d", "days_since_listen", "repeat_share", "top_genre_share"];
const TRACK_FEATURES = ["plays_28d"];

function features({ tables, engine }: RecoSource, { cutoff, features: now }: Compared): string[] {
  const moments = [
    { side: "reference", moment: cutoff },
    ...(now === null ? [] : [{ side: "current", moment: now }]),
  ];
  return moments.flatMap(({ side, moment }) => {
    const at = `cutoff = cast(${engine.literal(moment)} as timestamp)`;
    const number = (table: string, name: string, label: string) =>
      `select 'features', '${label}', '${side}', cast(${name} as double), cast(null as varchar), count(*)
from ${table} where ${at} group by ${name}`;
    return [
      ...USER_FEATURES.map((name) => number(tables.featUsers, name, `user ${name}`)),
      ...TRACK_FEATURES.map((name) => number(tables.featTracks, name, `track ${name}`)),
      `select 'features', 'user top_genre', '${side}', cast(null as double), top_genre, count(*)
from ${tables.featUsers} where ${at} group by top_genre`,
    ];
  });
}
