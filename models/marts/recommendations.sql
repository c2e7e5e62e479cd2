-- One row per track that a model recommends to a user on a shelf, with the keys of user and track.
{{ config(materialized='view') }}
with recommendations as (select * from {{ ref('stg_recommendations') }}),
users as (select * from {{ ref('dim_users') }}),
tracks as (select * from {{ ref('dim_tracks') }})
select
    {{ surrogate_key('recommendations.user_id', 'recommendations.shelf', 'recommendations.rank') }} as recommendation_key,
    users.user_key,
    tracks.track_key,
    recommendations.user_id,
    recommendations.shelf,
    recommendations.rank,
    recommendations.track_id,
    tracks.track_name,
    tracks.artist_name,
    recommendations.score,
    recommendations.why,
    recommendations.model_version,
    recommendations.recommended_at,
    recommendations.expires_at
from recommendations
left join users on users.user_id = recommendations.user_id
left join tracks on tracks.track_id = recommendations.track_id
