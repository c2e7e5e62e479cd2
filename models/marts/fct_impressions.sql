-- One row per track that was shown to a user, with what came of it within the attribution window.
with impressions as (select * from {{ ref('stg_impressions') }}),
feedback as (select * from {{ ref('stg_feedback') }}),
listens as (select * from {{ ref('fct_listens') }}),
users as (select * from {{ ref('dim_users') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
shown as (
    select
        impressions.*,
        users.user_key,
        tracks.track_key,
        -- Long enough is so many seconds, or a good part of a track that is shorter.
        least({{ var('reco_min_listen_ms', 30000) }}, tracks.duration_ms * {{ var('reco_min_listen_share', 0.5) }}) as long_enough_ms,
        impressions.served_at + {{ var('reco_attribution_hours', 24) }} * interval 1 hour as attributed_until
    from impressions
    left join users on cast(users.user_id as varchar) = impressions.user_id
    left join tracks on cast(tracks.track_id as varchar) = impressions.track_id
),
said as (
    -- What names its answer counts for that one; anything else for the last time that the track was shown before.
    select
        shown.impression_key,
        shown.long_enough_ms,
        feedback.kind,
        feedback.listened_ms,
        feedback.received_at
    from feedback
    inner join shown
        on
            shown.user_id = feedback.user_id
            and shown.track_id = feedback.track_id
            and feedback.received_at >= shown.served_at
            and feedback.received_at < shown.attributed_until
            and coalesce(feedback.request_id, shown.request_id) = shown.request_id
    qualify row_number() over (partition by feedback.feedback_key order by shown.served_at desc, shown.impression_key) = 1
),
replies as (
    select
        impression_key,
        bool_or(kind = 'impression') as is_viewed,
        arg_max(kind, received_at) filter (where kind in ('like', 'dislike')) as opinion,
        max(listened_ms) as listened_ms,
        bool_or(listened_ms >= long_enough_ms) filter (where kind in ('listen', 'skip')) as is_long_enough,
        min(received_at) filter (where kind <> 'impression') as replied_at
    from said
    group by impression_key
),
played as (
    -- Of a play in the history the service tells no length.
    select
        shown.impression_key,
        listens.listened_at
    from listens
    inner join shown
        on
            shown.user_key = listens.user_key
            and shown.track_key = listens.track_key
            and listens.listened_at >= shown.served_at
            and listens.listened_at < shown.attributed_until
    qualify row_number() over (partition by listens.listen_key order by shown.served_at desc, shown.impression_key) = 1
),
plays as (
    select
        impression_key,
        count(*) as plays
    from played
    group by impression_key
),
outcomes as (
    select
        shown.*,
        coalesce(replies.is_viewed, false) as is_viewed,
        replies.listened_ms,
        coalesce(plays.plays, 0) as plays,
        replies.replied_at,
        case
            when replies.opinion = 'like' then 'liked'
            when replies.opinion = 'dislike' then 'disliked'
            when replies.is_long_enough then 'listened'
            when replies.replied_at is not null then 'skipped'
            when plays.plays is not null then 'played'
            else 'none'
        end as outcome
    from shown
    left join replies on replies.impression_key = shown.impression_key
    left join plays on plays.impression_key = shown.impression_key
)
select
    impression_key,
    list_key,
    user_key,
    track_key,
    request_id,
    user_id,
    track_id,
    shelf,
    position,
    model_version,
    arm,
    propensity,
    is_fallback,
    segment,
    is_viewed,
    listened_ms,
    plays,
    outcome,
    outcome in ('liked', 'listened', 'played') as is_success,
    outcome in ('disliked', 'skipped') as is_failure,
    served_at,
    replied_at,
    attributed_until
from outcomes
