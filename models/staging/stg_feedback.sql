-- One row per thing that a listener said or did of a track, as the serving API stored it.
with feedback as (select * from {{ source('reco', 'feedback') }})
select
    {{ surrogate_key('store', 'seq') }} as feedback_key,
    user_id,
    track_id,
    kind,
    listened_ms,
    request_id,
    received_at
from feedback
