-- One row per neighbour of a track before a cut-off, by each measure of likeness; a track is its own first neighbour.
with pairs as (
    select *
    from {{ ref('feat_user_tracks') }}
    -- The cost is in the pairs: of a very long history only the tracks that count most.
    qualify row_number() over (partition by cutoff, user_id order by decayed_plays desc, track_id) <= {{ var('reco_history_tracks', 500) }}
),
totals as (
    select
        cutoff,
        count(distinct track_id) as tracks,
        sum(plays) / count(distinct track_id) as mean_plays
    from pairs
    group by cutoff
),
tracks as (
    select
        cutoff,
        track_id,
        sum(plays) as plays,
        sqrt(sum(plays * plays)) as norm
    from pairs
    group by cutoff, track_id
),
users as (
    select
        cutoff,
        user_id,
        count(*) as tracks
    from pairs
    group by cutoff, user_id
),
weights as (
    select
        pairs.cutoff,
        pairs.user_id,
        pairs.track_id,
        pairs.plays / tracks.norm as cosine_weight,
        -- BM25 with its idf per user: a user who plays everything says little about any of it.
        pairs.plays * 2.2 / (1.2 * (0.25 + 0.75 * tracks.plays / totals.mean_plays) + pairs.plays)
        * (ln(totals.tracks) - ln(1 + users.tracks)) as bm25_weight
    from pairs
    inner join tracks on tracks.cutoff = pairs.cutoff and tracks.track_id = pairs.track_id
    inner join users on users.cutoff = pairs.cutoff and users.user_id = pairs.user_id
    inner join totals on totals.cutoff = pairs.cutoff
),
likeness as (
    select
        own.cutoff,
        own.track_id,
        other.track_id as similar_track_id,
        sum(own.cosine_weight * other.cosine_weight) as cosine,
        sum(own.bm25_weight * other.bm25_weight) as bm25
    from weights as own
    inner join weights as other on other.cutoff = own.cutoff and other.user_id = own.user_id
    group by own.cutoff, own.track_id, other.track_id
),
measured as (
    select cutoff, 'cosine' as measure, track_id, similar_track_id, cosine as similarity from likeness
    union all
    select cutoff, 'bm25' as measure, track_id, similar_track_id, bm25 as similarity from likeness
)
select
    cutoff,
    measure,
    track_id,
    similar_track_id,
    similarity,
    row_number() over (partition by cutoff, measure, track_id order by similarity desc, similar_track_id) as similarity_rank
from measured
where similarity > 0
qualify similarity_rank <= {{ var('reco_neighbours', 50) }}
