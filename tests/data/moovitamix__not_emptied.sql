-- A stream that had records has some now: a service that is just starting may answer with empty lists.
-- Where a stream is empty by right, give `--vars '{may_be_empty: [tracks]}'`, or set it in project.yml.
with loads as (select * from {{ source('moovitamix', 'loads') }} where outcome = 'ok'),
ranked as (
    select
        *,
        row_number() over (partition by stream order by load_id desc) as recency,
        max(received) over (partition by stream) as most_received
    from loads
)
select
    stream,
    load_id,
    deleted,
    most_received
from ranked
where recency = 1
    and received = 0
    and most_received > 0
{{#each (var 'may_be_empty' (list))}}
    and stream <> '{{this}}'
{{/each}}
