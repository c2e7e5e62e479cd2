-- A favourite genre is one that some track has. The service names the two from different lists.
{{ config(severity='warn', tags=['known_oddity']) }}
with favorites as (select * from {{ ref('bridge_user_genres') }}),
tracks as (select distinct genre_key from {{ ref('bridge_track_genres') }}),
genres as (select * from {{ ref('dim_genres') }})
select
    genres.genre_name,
    count(*) as n_users
from favorites
join genres on genres.genre_key = favorites.genre_key
left join tracks on tracks.genre_key = favorites.genre_key
where tracks.genre_key is null
group by genres.genre_name
