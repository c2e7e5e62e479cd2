-- One row per person who has an account now.
with records as (select * from {{ source('moovitamix', 'users') }}),
texts as (
    select
        {{ json_text('record', 'id') }} as id,
        {{ json_text('record', 'first_name') }} as first_name,
        {{ json_text('record', 'last_name') }} as last_name,
        {{ json_text('record', 'email') }} as email,
        {{ json_text('record', 'gender') }} as gender,
        {{ json_text('record', 'favorite_genres') }} as favorite_genres,
        {{ json_text('record', 'created_at') }} as created_at,
        {{ json_text('record', 'updated_at') }} as updated_at,
        _loaded_at
    from records
)
select
    cast(id as bigint) as user_id,
    nullif(trim(first_name), '') as first_name,
    nullif(trim(last_name), '') as last_name,
    lower(nullif(trim(email), '')) as email,
    nullif(trim(gender), '') as gender,
    nullif(trim(favorite_genres), '') as favorite_genre_names,
    {{ utc_timestamp('created_at') }} as created_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _loaded_at as loaded_at
from texts
