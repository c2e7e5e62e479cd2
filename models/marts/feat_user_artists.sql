-- One row per artist whom a user had played before a cut-off.
with pairs as (select * from {{ ref('feat_user_tracks') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
sums as (
    select
        pairs.cutoff,
        pairs.user_id,
        tracks.artist_name,
        sum(pairs.plays) as plays,
        round(sum(pairs.decayed_plays), 6) as decayed_plays,
        max(pairs.last_listened_at) as last_listened_at
    from pairs
    inner join tracks on tracks.track_id = pairs.track_id
    where tracks.artist_name is not null
    group by pairs.cutoff, pairs.user_id, tracks.artist_name
)
select
    cutoff,
    user_id,
    artist_name,
    plays,
    decayed_plays,
    last_listened_at,
    round(plays / sum(plays) over (partition by cutoff, user_id), 6) as share,
    row_number() over (partition by cutoff, user_id order by plays desc, artist_name) as artist_rank
from sums
