import type { Engine } from "../../engines/engine.ts";
import type { RawTables } from "./tables.ts";

export interface Refused {
  engine: Engine;
  tables: RawTables;
  stream: string;
  /** What was landed, for SQL. */
  landed: string;
  loadId: number;
  /** For SQL. */
  loadedAt: string;
}

/** SQL that keeps what was refused. The same text refused for the same reason is kept once, however often it comes. */
export function quarantineSql({ tables, landed, loadId, loadedAt, engine, stream }: Refused): string {
  const name = engine.literal(stream);
  return `insert into ${tables.quarantine}
  (load_id, stream, page, "position", reason, "key", record, quarantined_at)
select ${loadId}, ${name}, page, "position", reason, "key", record, ${loadedAt}
from (
  select *, row_number() over (partition by record, reason order by page, "position") as place
  from ${landed}
  where reason is not null
) as refused
where place = 1 and not exists (
  select 1 from ${tables.quarantine} as known
  where known.stream = ${name} and known.reason = refused.reason and known.record = refused.record
)`;
}
