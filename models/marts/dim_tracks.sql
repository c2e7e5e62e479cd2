-- One row per track.
with tracks as (select * from {{ ref('stg_tracks') }})
select
    {{ surrogate_key('track_id') }} as track_key,
    track_id,
    track_name,
    artist_name,
    songwriters,
    album_name,
    genre_names,
    duration_ms,
    created_at,
    updated_at
from tracks
