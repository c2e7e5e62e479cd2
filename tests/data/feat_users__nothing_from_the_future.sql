-- What was known of a user before a cut-off has happened before it, whenever it was computed.
with users as (select * from {{ ref('feat_users') }}),
pairs as (select * from {{ ref('feat_user_tracks') }})
select
    user_id,
    cutoff,
    last_listened_at
from users
where last_listened_at >= cutoff
union all
select
    user_id,
    cutoff,
    last_listened_at
from pairs
where last_listened_at >= cutoff
