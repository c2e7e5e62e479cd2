-- Nobody listens before their account exists. The service breaks this.
{{ config(severity='warn', tags=['known_oddity']) }}
with listens as (select * from {{ ref('fct_listens') }}),
users as (select * from {{ ref('dim_users') }})
select
    listens.listen_key,
    listens.user_id,
    listens.listened_at,
    users.created_at
from listens
join users on users.user_key = listens.user_key
where listens.listened_at < users.created_at
