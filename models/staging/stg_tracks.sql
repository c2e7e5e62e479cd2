-- One row per track that the service offers now.
with records as (select * from {{ source('moovitamix', 'tracks') }}),
texts as (
    select
        {{ json_text('record', 'id') }} as id,
        {{ json_text('record', 'name') }} as name,
        {{ json_text('record', 'artist') }} as artist,
        {{ json_text('record', 'songwriters') }} as songwriters,
        {{ json_text('record', 'duration') }} as duration,
        {{ json_text('record', 'genres') }} as genres,
        {{ json_text('record', 'album') }} as album,
        {{ json_text('record', 'created_at') }} as created_at,
        {{ json_text('record', 'updated_at') }} as updated_at,
        _loaded_at
    from records
),
parts as (
    select
        *,
        try_cast(split_part(duration, ':', 1) as integer) as minutes,
        try_cast(split_part(duration, ':', 2) as integer) as seconds,
        split_part(duration, ':', 3) = '' as has_two_parts
    from texts
)
select
    cast(id as bigint) as track_id,
    nullif(trim(name), '') as track_name,
    nullif(trim(artist), '') as artist_name,
    nullif(trim(songwriters), '') as songwriters,
    nullif(trim(album), '') as album_name,
    nullif(trim(genres), '') as genre_names,
    case when has_two_parts and minutes >= 0 and seconds between 0 and 59 then (minutes * 60 + seconds) * 1000 end as duration_ms,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _loaded_at as loaded_at
from parts
