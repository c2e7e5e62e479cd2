-- An account is not changed before it is made. The service breaks this for about a quarter of its users.
{{ config(severity='warn', tags=['known_oddity']) }}
with users as (select * from {{ ref('stg_users') }})
select
    user_id,
    created_at,
    updated_at
from users
where updated_at < created_at
