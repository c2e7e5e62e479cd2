-- One row per listened track: a user played a track at a moment, at a position of a session.
with history as (select * from {{ ref('stg_listen_history') }}),
users as (select * from {{ ref('dim_users') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
listens as (
    select
        history.history_key,
        history.user_id,
        item.track_id,
        item.position,
        history.listened_at
    from history
    cross join unnest(history.track_ids) with ordinality as item (track_id, position)
)
select
    {{ surrogate_key('listens.history_key', 'listens.position') }} as listen_key,
    users.user_key,
    tracks.track_key,
    cast(extract(year from listens.listened_at) * 10000 + extract(month from listens.listened_at) * 100 + extract(day from listens.listened_at) as integer) as date_key,
    listens.user_id,
    listens.track_id,
    cast(listens.position as integer) as position,
    listens.listened_at
from listens
left join users on users.user_id = listens.user_id
left join tracks on tracks.track_id = listens.track_id
