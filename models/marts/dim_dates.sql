-- One row per day from the first listen to the last one.
with history as (select * from {{ ref('stg_listen_history') }}),
bounds as (
    select
        cast(min(listened_at) as date) as first_day,
        cast(max(listened_at) as date) as last_day
    from history
),
days as (select * from {{ date_spine('bounds', 'first_day', 'last_day') }} as spine)
select
    cast(extract(year from date_day) * 10000 + extract(month from date_day) * 100 + extract(day from date_day) as integer) as date_key,
    date_day,
    cast(extract(year from date_day) as integer) as year,
    cast(extract(quarter from date_day) as integer) as quarter,
    cast(extract(month from date_day) as integer) as month,
    cast(extract(week from date_day) as integer) as iso_week,
    {{ iso_weekday('date_day') }} as iso_weekday,
    {{ iso_weekday('date_day') }} >= 6 as is_weekend
from days
