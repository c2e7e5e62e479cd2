-- One row per track that is popular in a segment of users before a cut-off; the segment `all` has everybody.
with pairs as (select * from {{ ref('feat_user_tracks') }}),
genres as (select * from {{ ref('feat_user_genres') }} where genre_rank = 1),
cutoffs as (select * from {{ ref('feat_cutoffs') }}),
mentions as (
    select
        cutoff,
        'all' as segment,
        track_id,
        plays,
        decayed_plays
    from pairs
    union all
    select
        pairs.cutoff,
        genres.genre_name as segment,
        pairs.track_id,
        pairs.plays,
        pairs.decayed_plays
    from pairs
    inner join genres on genres.cutoff = pairs.cutoff and genres.user_id = pairs.user_id
),
sums as (
    select
        cutoff,
        segment,
        track_id,
        sum(plays) as plays,
        count(*) as listeners,
        round(sum(decayed_plays), 6) as decayed_plays
    from mentions
    group by cutoff, segment, track_id
)
select
    sums.cutoff,
    sums.segment,
    sums.track_id,
    sums.plays,
    sums.listeners,
    sums.decayed_plays,
    row_number() over (partition by sums.cutoff, sums.segment order by sums.listeners desc, sums.track_id) as popularity_rank,
    row_number() over (partition by sums.cutoff, sums.segment order by sums.decayed_plays desc, sums.track_id) as recent_rank
from sums
inner join cutoffs on cutoffs.cutoff = sums.cutoff
qualify popularity_rank <= {{ var('reco_segment_tracks', 200) }} or recent_rank <= {{ var('reco_segment_tracks', 200) }}
