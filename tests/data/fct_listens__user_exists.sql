-- Every listen's user is known, was known before it was deleted, or waits in quarantine.
with listens as (select * from {{ ref('fct_listens') }}),
versions as (select * from {{ source('moovitamix', 'user_versions') }}),
quarantine as (select * from {{ source('moovitamix', 'quarantine') }} where stream = 'users'),
explained as (
    select _key as user_id from versions
    union
    select "key" as user_id from quarantine where "key" is not null
)
select
    listens.listen_key,
    listens.user_id
from listens
left join explained on explained.user_id = cast(listens.user_id as varchar)
where listens.user_id is not null
    and listens.user_key is null
    and explained.user_id is null
