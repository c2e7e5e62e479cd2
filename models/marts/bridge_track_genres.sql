-- One row per genre of a track.
with tracks as (select * from {{ ref('dim_tracks') }}),
names as (
    select
        tracks.track_key,
        trim(genre.name) as genre_name
    from tracks
    cross join unnest(split(tracks.genre_names, ',')) as genre (name)
)
select distinct
    track_key,
    {{ surrogate_key('lower(genre_name)') }} as genre_key
from names
where genre_name <> ''
