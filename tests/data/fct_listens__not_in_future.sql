-- Nobody has listened in the future.
{{ config(severity='warn') }}
with listens as (select * from {{ ref('fct_listens') }})
select
    listen_key,
    listened_at
from listens
where listened_at > cast('{{ run_started_at }}' as timestamp) + interval '1' day
