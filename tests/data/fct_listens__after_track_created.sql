-- No track is played before it exists. The service breaks this.
{{ config(severity='warn', tags=['known_oddity']) }}
with listens as (select * from {{ ref('fct_listens') }}),
tracks as (select * from {{ ref('dim_tracks') }})
select
    listens.listen_key,
    listens.track_id,
    listens.listened_at,
    tracks.created_at
from listens
join tracks on tracks.track_key = listens.track_key
where listens.listened_at < tracks.created_at
