-- One row per day, model version, arm, shelf, segment and position at which tracks were shown.
with impressions as (select * from {{ ref('fct_impressions') }})
select
    cast(served_at as date) as served_on,
    model_version,
    arm,
    shelf,
    segment,
    position,
    count(*) as impressions,
    count(*) filter (where is_fallback) as fallbacks,
    count(*) filter (where is_success) as successes,
    count(*) filter (where is_failure) as failures,
    count(*) filter (where outcome = 'liked') as likes,
    count(*) filter (where outcome = 'disliked') as dislikes,
    count(*) filter (where outcome in ('listened', 'played')) as listens,
    count(*) filter (where outcome = 'skipped') as skips,
    round(count(*) filter (where is_success) / count(*), 6) as success_rate
from impressions
group by cast(served_at as date), model_version, arm, shelf, segment, position
