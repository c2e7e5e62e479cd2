-- One row per favourite genre of a user.
with users as (select * from {{ ref('dim_users') }}),
names as (
    select
        users.user_key,
        trim(genre.name) as genre_name
    from users
    cross join unnest(split(users.favorite_genre_names, ',')) as genre (name)
)
select distinct
    user_key,
    {{ surrogate_key('lower(genre_name)') }} as genre_key
from names
where genre_name <> ''
