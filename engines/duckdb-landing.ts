import { literal } from "./duckdb-names.ts";
import type { LandingLines, LandingType } from "./engine.ts";
import { NULL_MARK, type PackedColumn, type PackedRows, SEPARATOR } from "./packed-rows.ts";

type Packed = readonly (PackedColumn | null)[];

/** A statement that adds packed rows, and its values. Undefined when there are none. */
export function insertPacked(
  table: string,
  { types, rows }: { types: readonly LandingType[]; rows: readonly PackedRows[] },
): { sql: string; texts: Buffer[] } | undefined {
  const parts = rows.flatMap(({ rowCount, columns }) =>
    rowCount > 0 && "packed" in columns ? [{ rowCount, packed: columns.packed }] : [],
  );
  const texts: Buffer[] = [];
  const lists: string[] = [];
  const values = types.map((type, index) => {
    const sqlType = type === "text" ? "varchar" : "integer";
    const column = joinColumn(parts, index);
    if (column === undefined) return `cast(null as ${sqlType})`;
    texts.push(column.text);
    lists.push(`string_split(decode($${texts.length}), chr(${SEPARATOR.charCodeAt(0)})) as values_${index}`);
    const value = `unnest(values_${index})`;
    const known = column.hasNulls ? `nullif(${value}, chr(${NULL_MARK.charCodeAt(0)}))` : value;
    return type === "integer" ? `cast(${known} as integer)` : known;
  });
  if (lists.length === 0) return undefined;
  const sql = `insert into ${table} select ${values.join(", ")} from (select ${lists.join(", ")}) as columns_packed`;
  return { sql, texts };
}

/** A column of all parts; undefined when it is nothing but nulls. */
function joinColumn(
  parts: readonly { rowCount: number; packed: Packed }[],
  index: number,
): PackedColumn | undefined {
  if (parts.every(({ packed }) => packed[index] === null)) return undefined;
  const columns = parts.map(({ rowCount, packed }) => packed[index] ?? nullColumn(rowCount));
  const texts = columns.flatMap(({ text }, place) => (place === 0 ? [text] : [SEPARATOR_BYTES, text]));
  return { text: Buffer.concat(texts), hasNulls: columns.some(({ hasNulls }) => hasNulls) };
}

const SEPARATOR_BYTES = Buffer.from(SEPARATOR);

function nullColumn(rowCount: number): PackedColumn {
  return { text: Buffer.from(Array<string>(rowCount).fill(NULL_MARK).join(SEPARATOR)), hasNulls: true };
}

/** A statement that adds rows of lines, which are its only value. */
export function insertLines(table: string, { text, page, isKeyQuoted, accepted }: LandingLines): string {
  // A replacement that finds nothing would still take a fifth of the time.
  const sent = text.includes("\\") ? "replace($1, '\\\\', '\\')" : "$1";
  const key = isKeyQuoted
    ? "case when contains(sent_key, '\\') then json_extract_string(sent_key, '$') else substr(sent_key, 2, length(sent_key) - 2) end"
    : "sent_key";
  const reason =
    accepted === null
      ? "cast(null as varchar)"
      : `case when not regexp_full_match(types, ${literal(accepted)}) then 'broken' end`;
  return `insert into ${table} (page, "position", "key", hash, updated_at, reason, record, types)
select ${page}, place, coalesce(${key}, case when reason is null then hash end), hash, ${COMPARABLE_TIME}, reason, record, types
from (
  select *, left(sha256(record), 32) as hash, ${reason} as reason
  from (
    select place, parts[1] as types, nullif(parts[2], '') as sent_key, parts[3] as sent_time, parts[4] as record
    from (
      select place, string_split(line, chr(9)) as parts
      from (
        select unnest(lines) as line, generate_subscripts(lines, 1) as place
        from (select string_split(${sent}, chr(10)) as lines) as whole
      ) as cut
    ) as split
  ) as named
) as judged`;
}

/** `2024-05-01 10:00:00.5+00` as a text that sorts by time; null for what has no year of four digits. */
const COMPARABLE_TIME = `case when substr(sent_time, 5, 1) = '-' and not ends_with(sent_time, 'BC') then
    rpad(substr(sent_time, 1, 10) || 'T' || case
      when length(sent_time) = 10 then '00:00:00.'
      when contains(sent_time, '.') then replace(substr(sent_time, 12), '+00', '')
      else substr(sent_time, 12, 8) || '.'
    end, 29, '0')
  end`;
