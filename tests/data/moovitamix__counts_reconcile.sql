-- What a load received is what it landed, knew already, or put into quarantine.
with loads as (select * from {{ source('moovitamix', 'loads') }})
select
    load_id,
    stream,
    received,
    "new",
    changed,
    unchanged,
    duplicate,
    quarantined
from loads
where outcome = 'ok'
    and received <> "new" + changed + unchanged + duplicate + quarantined
