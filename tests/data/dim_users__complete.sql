-- Every current user of the source is in the dimension.
with records as (select * from {{ source('moovitamix', 'users') }}),
users as (select * from {{ ref('dim_users') }})
select
    records._key,
    records.record
from records
left join users on users.user_id = cast({{ json_text('records.record', 'id') }} as bigint)
where users.user_id is null
