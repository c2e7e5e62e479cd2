-- One row per list that was given to a user: how varied it was, how close to the user's taste, and what came of it.
with impressions as (select * from {{ ref('fct_impressions') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
bridge as (select * from {{ ref('bridge_track_genres') }}),
genres as (select * from {{ ref('dim_genres') }}),
cutoffs as (select * from {{ ref('feat_cutoffs') }}),
profiles as (select * from {{ ref('feat_user_genres') }}),
lists as (
    select
        impressions.list_key,
        any_value(impressions.user_key) as user_key,
        any_value(impressions.request_id) as request_id,
        any_value(impressions.user_id) as user_id,
        any_value(impressions.shelf) as shelf,
        any_value(impressions.model_version) as model_version,
        any_value(impressions.arm) as arm,
        any_value(impressions.segment) as segment,
        any_value(impressions.is_fallback) as is_fallback,
        count(*) as tracks,
        count(distinct tracks.artist_name) as artists,
        count(*) filter (where impressions.is_success) as successes,
        count(*) filter (where impressions.is_failure) as failures,
        any_value(impressions.served_at) as served_at
    from impressions
    left join tracks on tracks.track_key = impressions.track_key
    group by impressions.list_key
),
mixes as (
    select
        impressions.list_key,
        genres.genre_name,
        count(*) as tracks,
        count(*) / sum(count(*)) over (partition by impressions.list_key) as share
    from impressions
    inner join bridge on bridge.track_key = impressions.track_key
    inner join genres on genres.genre_key = bridge.genre_key
    group by impressions.list_key, genres.genre_name
),
varieties as (
    select
        list_key,
        count(*) as genres,
        -sum(share * log2(share)) as genre_entropy,
        sqrt(sum(share * share)) as norm
    from mixes
    group by list_key
),
moments as (
    select
        lists.list_key,
        lists.user_id,
        max(cutoffs.cutoff) as cutoff
    from lists
    inner join cutoffs on cutoffs.cutoff <= lists.served_at
    group by lists.list_key, lists.user_id
),
tastes as (
    select
        cutoff,
        user_id,
        genre_name,
        share,
        sqrt(sum(share * share) over (partition by cutoff, user_id)) as norm
    from profiles
),
coherences as (
    select
        moments.list_key,
        sum(mixes.share * tastes.share) / any_value(varieties.norm * tastes.norm) as taste_cosine
    from moments
    inner join tastes on tastes.cutoff = moments.cutoff and cast(tastes.user_id as varchar) = moments.user_id
    inner join varieties on varieties.list_key = moments.list_key
    left join mixes on mixes.list_key = moments.list_key and mixes.genre_name = tastes.genre_name
    group by moments.list_key
)
select
    lists.list_key,
    lists.user_key,
    lists.request_id,
    lists.user_id,
    lists.shelf,
    lists.model_version,
    lists.arm,
    lists.segment,
    lists.is_fallback,
    lists.tracks,
    lists.artists,
    coalesce(varieties.genres, 0) as genres,
    round(coalesce(varieties.genre_entropy, 0.0), 6) as genre_entropy,
    round(case when coherences.list_key is not null then coalesce(coherences.taste_cosine, 0.0) end, 6) as taste_cosine,
    lists.successes,
    lists.failures,
    round(lists.successes / lists.tracks, 6) as success_rate,
    lists.served_at
from lists
left join varieties on varieties.list_key = lists.list_key
left join coherences on coherences.list_key = lists.list_key
