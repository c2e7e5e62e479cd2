-- Every track of every history record became one listen, and nothing else did.
with history as (select * from {{ ref('stg_listen_history') }}),
listens as (select * from {{ ref('fct_listens') }}),
expected as (select coalesce(sum({{ list_length('track_ids') }}), 0) as n_expected from history),
found as (select count(*) as n_found from listens)
select
    expected.n_expected,
    found.n_found
from expected
cross join found
where expected.n_expected <> found.n_found
