-- The duration says what the source's text says.
with records as (select * from {{ source('moovitamix', 'tracks') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
texts as (
    select
        cast({{ json_text('record', 'id') }} as bigint) as track_id,
        {{ json_text('record', 'duration') }} as duration
    from records
)
select
    texts.track_id,
    texts.duration,
    tracks.duration_ms
from texts
join tracks on tracks.track_id = texts.track_id
where tracks.duration_ms <> (
        try_cast(split_part(texts.duration, ':', 1) as integer) * 60 + try_cast(split_part(texts.duration, ':', 2) as integer)
    ) * 1000
