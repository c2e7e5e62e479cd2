-- One row per track of a list that the serving API gave.
with impressions as (select * from {{ source('reco', 'impressions') }})
select
    {{ surrogate_key('request_id', 'position') }} as impression_key,
    {{ surrogate_key('request_id') }} as list_key,
    request_id,
    user_id,
    track_id,
    shelf,
    position,
    model_version,
    arm,
    propensity,
    is_fallback,
    segment,
    served_at
from impressions
