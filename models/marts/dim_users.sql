-- One row per user.
with users as (select * from {{ ref('stg_users') }})
select
    {{ surrogate_key('user_id') }} as user_key,
    user_id,
    first_name,
    last_name,
    email,
    gender,
    favorite_genre_names,
    created_at,
    updated_at
from users
