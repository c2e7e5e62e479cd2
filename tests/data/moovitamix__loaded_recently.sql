-- Each stream was loaded successfully within the last day, or within `max_load_age_hours`.
{{ config(severity='warn') }}
with loads as (select * from {{ source('moovitamix', 'loads') }})
select
    stream,
    max(case when outcome = 'ok' then ended_at end) as last_success
from loads
group by stream
having coalesce(max(case when outcome = 'ok' then ended_at end), timestamp '1970-01-01 00:00:00')
    < cast('{{ run_started_at }}' as timestamp) - interval '{{ var('max_load_age_hours', 24) }}' hour
