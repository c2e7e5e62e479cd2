-- Every current track of the source is in the dimension.
with records as (select * from {{ source('moovitamix', 'tracks') }}),
tracks as (select * from {{ ref('dim_tracks') }})
select
    records._key,
    records.record
from records
left join tracks on tracks.track_id = cast({{ json_text('records.record', 'id') }} as bigint)
where tracks.track_id is null
