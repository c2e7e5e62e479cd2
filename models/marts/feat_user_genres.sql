-- One row per genre that a user had played before a cut-off.
with pairs as (select * from {{ ref('feat_user_tracks') }}),
tracks as (select * from {{ ref('dim_tracks') }}),
bridge as (select * from {{ ref('bridge_track_genres') }}),
genres as (select * from {{ ref('dim_genres') }}),
sums as (
    select
        pairs.cutoff,
        pairs.user_id,
        genres.genre_name,
        sum(pairs.plays) as plays,
        round(sum(pairs.decayed_plays), 6) as decayed_plays
    from pairs
    inner join tracks on tracks.track_id = pairs.track_id
    inner join bridge on bridge.track_key = tracks.track_key
    inner join genres on genres.genre_key = bridge.genre_key
    group by pairs.cutoff, pairs.user_id, genres.genre_name
)
select
    cutoff,
    user_id,
    genre_name,
    plays,
    decayed_plays,
    round(plays / sum(plays) over (partition by cutoff, user_id), 6) as share,
    row_number() over (partition by cutoff, user_id order by plays desc, genre_name) as genre_rank
from sums
