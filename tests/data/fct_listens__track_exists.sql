-- Every listen's track is known, was known before it was deleted, or waits in quarantine.
with listens as (select * from {{ ref('fct_listens') }}),
versions as (select * from {{ source('moovitamix', 'track_versions') }}),
quarantine as (select * from {{ source('moovitamix', 'quarantine') }} where stream = 'tracks'),
explained as (
    select _key as track_id from versions
    union
    select "key" as track_id from quarantine where "key" is not null
)
select
    listens.listen_key,
    listens.track_id
from listens
left join explained on explained.track_id = cast(listens.track_id as varchar)
where listens.track_id is not null
    and listens.track_key is null
    and explained.track_id is null
