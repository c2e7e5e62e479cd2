-- One row per history record: what a user listened to, in order, at a moment.
with records as (select * from {{ source('moovitamix', 'listen_history') }}),
texts as (
    select
        _key as history_key,
        {{ json_text('record', 'user_id') }} as user_id,
        {{ json_list('record', 'items') }} as items,
        {{ json_text('record', 'created_at') }} as created_at,
        {{ json_text('record', 'updated_at') }} as updated_at,
        _loaded_at
    from records
)
select
    history_key,
    cast(user_id as bigint) as user_id,
    cast(items as bigint[]) as track_ids,
    {{ utc_timestamp('created_at') }} as listened_at,
    {{ utc_timestamp('updated_at') }} as updated_at,
    _loaded_at as loaded_at
from texts
