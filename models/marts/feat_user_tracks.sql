-- One row per track that a user had played before a cut-off.
with cutoffs as (select * from {{ ref('feat_cutoffs') }}),
listens as (select * from {{ ref('fct_listens') }})
select
    cutoffs.cutoff,
    listens.user_id,
    listens.track_id,
    count(*) as plays,
    count(distinct listens.listened_at) as sessions,
    round(sum(power(0.5, date_diff('second', listens.listened_at, cutoffs.cutoff) / 2592000.0)), 6) as decayed_plays,
    min(listens.listened_at) as first_listened_at,
    max(listens.listened_at) as last_listened_at
from cutoffs
inner join listens on listens.listened_at < cutoffs.cutoff
where listens.user_key is not null and listens.track_key is not null
group by cutoffs.cutoff, listens.user_id, listens.track_id
