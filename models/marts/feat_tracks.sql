-- One row per track and cut-off: what was known of the track before it.
{{ config(materialized='incremental', unique_key=['track_id', 'cutoff'], on_schema_change='fail') }}
with cutoffs as (
    select * from {{ ref('feat_cutoffs') }}
    {{#if (is_incremental)}}
    where cutoff not in (select cutoff from {{ this }})
    {{/if}}
),
tracks as (select * from {{ ref('dim_tracks') }}),
listens as (select * from {{ ref('fct_listens') }} where user_key is not null),
counts as (
    select
        cutoffs.cutoff,
        listens.track_id,
        count(*) as plays,
        count(*) filter (where listens.listened_at >= cutoffs.cutoff - interval '28 days') as plays_28d,
        round(sum(power(0.5, date_diff('second', listens.listened_at, cutoffs.cutoff) / 2592000.0)), 6) as decayed_plays,
        count(distinct listens.user_id) as listeners,
        max(listens.listened_at) as last_listened_at
    from cutoffs
    inner join listens on listens.listened_at < cutoffs.cutoff
    group by cutoffs.cutoff, listens.track_id
)
select
    tracks.track_id,
    cutoffs.cutoff,
    coalesce(counts.plays, 0) as plays,
    coalesce(counts.plays_28d, 0) as plays_28d,
    coalesce(counts.decayed_plays, 0.0) as decayed_plays,
    coalesce(counts.listeners, 0) as listeners,
    round(counts.plays / counts.listeners, 6) as plays_per_listener,
    date_diff('day', counts.last_listened_at, cutoffs.cutoff) as days_since_listen,
    date_diff('day', tracks.created_at, cutoffs.cutoff) as days_since_release,
    row_number() over (partition by cutoffs.cutoff order by coalesce(counts.plays, 0) desc, tracks.track_id) as popularity_rank
from cutoffs
inner join tracks on tracks.created_at < cutoffs.cutoff
left join counts on counts.cutoff = cutoffs.cutoff and counts.track_id = tracks.track_id
