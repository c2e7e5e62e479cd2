-- One row per user and cut-off: what was known of the user before it.
{{ config(materialized='incremental', unique_key=['user_id', 'cutoff'], on_schema_change='fail') }}
with cutoffs as (
    select * from {{ ref('feat_cutoffs') }}
    {{#if (is_incremental)}}
    where cutoff not in (select cutoff from {{ this }})
    {{/if}}
),
users as (select * from {{ ref('dim_users') }}),
pairs as (select * from {{ ref('feat_user_tracks') }}),
genres as (select * from {{ ref('feat_user_genres') }} where genre_rank = 1),
artists as (select * from {{ ref('feat_user_artists') }} where artist_rank = 1),
listens as (select * from {{ ref('fct_listens') }}),
habits as (
    select
        pairs.cutoff,
        pairs.user_id,
        sum(pairs.plays) as plays,
        round(sum(pairs.decayed_plays), 6) as decayed_plays,
        count(*) as tracks,
        round(1.0 - count(*) / sum(pairs.plays), 6) as repeat_share,
        max(pairs.last_listened_at) as last_listened_at
    from pairs
    inner join cutoffs on cutoffs.cutoff = pairs.cutoff
    group by pairs.cutoff, pairs.user_id
),
sessions as (
    select
        cutoffs.cutoff,
        listens.user_id,
        count(distinct listens.listened_at) as sessions,
        count(distinct listens.listened_at) filter (where listens.listened_at >= cutoffs.cutoff - interval '28 days') as sessions_28d
    from cutoffs
    inner join listens on listens.listened_at < cutoffs.cutoff
    group by cutoffs.cutoff, listens.user_id
),
known as (
    select
        cutoffs.cutoff,
        users.user_id,
        users.created_at,
        -- A record that was changed later says nothing about the time before.
        case when greatest(users.created_at, users.updated_at) < cutoffs.cutoff
            then nullif(trim(split_part(users.favorite_genre_names, ',', 1)), '')
        end as favorite_genre
    from cutoffs
    inner join users on users.created_at < cutoffs.cutoff
)
select
    known.user_id,
    known.cutoff,
    coalesce(habits.plays, 0) as plays,
    coalesce(habits.decayed_plays, 0.0) as decayed_plays,
    coalesce(habits.tracks, 0) as tracks,
    habits.repeat_share,
    coalesce(sessions.sessions, 0) as sessions,
    coalesce(sessions.sessions_28d, 0) as sessions_28d,
    habits.last_listened_at,
    date_diff('day', habits.last_listened_at, known.cutoff) as days_since_listen,
    date_diff('day', known.created_at, known.cutoff) as days_since_joined,
    genres.genre_name as top_genre,
    genres.share as top_genre_share,
    artists.artist_name as top_artist,
    known.favorite_genre,
    coalesce(genres.genre_name, known.favorite_genre, 'all') as segment
from known
left join habits on habits.cutoff = known.cutoff and habits.user_id = known.user_id
left join sessions on sessions.cutoff = known.cutoff and sessions.user_id = known.user_id
left join genres on genres.cutoff = known.cutoff and genres.user_id = known.user_id
left join artists on artists.cutoff = known.cutoff and artists.user_id = known.user_id
