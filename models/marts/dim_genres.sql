-- One row per genre that a track has or a user favours, whatever its spelling in upper or lower case.
with tracks as (select * from {{ ref('dim_tracks') }}),
users as (select * from {{ ref('dim_users') }}),
mentions as (
    select trim(genre.name) as genre_name
    from tracks
    cross join unnest(split(tracks.genre_names, ',')) as genre (name)
    union all
    select trim(genre.name) as genre_name
    from users
    cross join unnest(split(users.favorite_genre_names, ',')) as genre (name)
)
select
    {{ surrogate_key('lower(genre_name)') }} as genre_key,
    min(genre_name) as genre_name
from mentions
where genre_name <> ''
group by lower(genre_name)
