-- One row per track that a model recommends to a user on a shelf.
with recommendations as (select * from {{ source('reco', 'recommendations') }})
select
    cast(user_id as bigint) as user_id,
    shelf,
    rank,
    cast(track_id as bigint) as track_id,
    score,
    why,
    model_version,
    inference_id,
    recommended_at,
    expires_at
from recommendations
