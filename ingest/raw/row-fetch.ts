import type { StreamDefinition } from "../../core/sillon.ts";
import type { Session } from "../../engines/engine.ts";
import { acceptedTypes } from "../contract/by-types.ts";
import type { Tally } from "../contract/tally.ts";
import type { RowFetch } from "../records/row-types.ts";
import { faultsOfTypes, firstInvalid, tallyOfTypes } from "./row-lines.ts";

interface Place {
  session: Session;
  stream: StreamDefinition;
  /** The landing table. */
  table: string;
}

/**
 * Has the engine fetch the rows, with the types that they have there. The landing table becomes a view of them, so that
 * the text and the hash of a record are made when they are wanted, and only there. Returns how many came.
 */
export async function fetchRows({ session, stream, table }: Place, fetch: RowFetch): Promise<number> {
  const rows = rowsOf(table);
  const count = await session.run(`create or replace temp table ${rows} as ${fetch.query}`);
  await session.run(`drop table if exists ${table}`);
  const accepted = acceptedTypes(stream, fetch.types);
  const reason =
    accepted === null
      ? "cast(null as varchar)"
      : `case when not regexp_full_match(${fetch.typesOf}, ${literal(accepted)}) then 'broken' end`;
  await session.run(viewSql({ table, rows, fetch, reason }));
  return count;
}

/** Writes down what rows break the contract with, and counts all. */
export async function judgeFetched(place: Place, fetch: RowFetch): Promise<Tally> {
  const { session, stream, table } = place;
  const counted = await session.query(
    `select types, count(*), count(reason) from ${table} group by types order by types`,
  );
  const tally = tallyOfTypes(fetch.types, counted.rows);
  if (tally.invalid.count === 0) return tally;
  const whens = faultsOfTypes(stream, fetch.types, counted.rows).map(
    ([types, fault]) => `when ${literal(types)} then ${literal(fault)}`,
  );
  const reason = `case ${fetch.typesOf} ${whens.join(" ")} end`;
  await session.run(viewSql({ table, rows: rowsOf(table), fetch, reason }));
  tally.invalid.first = await firstInvalid(session, table);
  return tally;
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

const rowsOf = (table: string) => table.replace(/"$/, '_fetched"');

function viewSql({
  table,
  rows,
  fetch: { typesOf, key, updatedAt, record },
  reason,
}: {
  table: string;
  rows: string;
  fetch: RowFetch;
  reason: string;
}): string {
  const hash = `left(sha256(${record}), 32)`;
  // Of a key that is there, nothing more has to be made.
  const keyOrHash = `case when (${key}) is not null then (${key}) when (${reason}) is null then ${hash} end`;
  return `create or replace temp view ${table} as
select cast(1 as integer) as page, cast(rowid + 1 as integer) as "position", ${keyOrHash} as "key", ${hash} as hash,
  ${updatedAt} as updated_at, ${reason} as reason, ${record} as record, ${typesOf} as types
from ${rows}`;
}
