-- One row per cut-off: a moment before which all that features say has happened.
with listens as (select * from {{ ref('fct_listens') }}),
newest as (
    select date_trunc('day', max(listened_at)) as cutoff
    from listens
),
steps as (
    select
        newest.cutoff - step.number * {{ var('reco_test_days', 28) }} * interval 1 day as cutoff,
        case step.number when 0 then 'newest' when 1 then 'split' else 'inner_split' end as purpose
    from newest
    cross join unnest([0, 1, 2]) as step (number)
),
asked as (
    select
        cast(nullif(trim(part.moment), '') as timestamp) as cutoff,
        'asked' as purpose
    from unnest(split('{{ var('feature_cutoffs', '') }}', ',')) as part (moment)
),
wanted as (
    select * from steps
    union all
    select * from asked
)
select
    cast(cutoff as timestamp) as cutoff,
    coalesce(max(purpose) filter (where purpose <> 'asked'), 'asked') as purpose
from wanted
where cutoff is not null
group by cutoff
