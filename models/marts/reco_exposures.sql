-- One row per day, model version and shelf: how unevenly tracks were shown.
with impressions as (select * from {{ ref('fct_impressions') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
catalogue as (select count(*) as tracks from tracks),
shown as (
    select
        cast(served_at as date) as served_on,
        model_version,
        shelf,
        track_id,
        count(*) as impressions,
        row_number() over (
            partition by cast(served_at as date), model_version, shelf
            order by count(*), track_id
        ) as rank_up,
        row_number() over (
            partition by cast(served_at as date), model_version, shelf
            order by count(*) desc, track_id
        ) as rank_down
    from impressions
    group by cast(served_at as date), model_version, shelf, track_id
),
listeners as (
    select
        cast(served_at as date) as served_on,
        model_version,
        shelf,
        count(distinct user_id) as users
    from impressions
    group by cast(served_at as date), model_version, shelf
),
sums as (
    select
        shown.served_on,
        shown.model_version,
        shown.shelf,
        sum(shown.impressions) as impressions,
        count(*) as tracks,
        greatest(any_value(catalogue.tracks), count(*)) as catalogue_tracks,
        sum(shown.rank_up * shown.impressions) as ranked_impressions,
        sum(shown.impressions) filter (where shown.rank_down <= 10) as top_impressions
    from shown
    cross join catalogue
    group by shown.served_on, shown.model_version, shown.shelf
)
select
    sums.served_on,
    sums.model_version,
    sums.shelf,
    listeners.users,
    sums.impressions,
    sums.tracks,
    sums.catalogue_tracks,
    round(sums.tracks / sums.catalogue_tracks, 6) as catalogue_share,
    round(sums.top_impressions / sums.impressions, 6) as top_10_share,
    -- Over the whole catalogue: tracks that nobody was shown come first, with nothing.
    round(
        (2.0 * (sums.ranked_impressions + (sums.catalogue_tracks - sums.tracks) * sums.impressions) - (sums.catalogue_tracks + 1) * sums.impressions)
        / (sums.catalogue_tracks * sums.impressions), 6
    ) as gini
from sums
inner join listeners
    on
        listeners.served_on = sums.served_on
        and listeners.model_version = sums.model_version
        and listeners.shelf = sums.shelf
