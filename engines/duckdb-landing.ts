import type { LandingType } from "./engine.ts";
import { NULL_MARK, type PackedRows, SEPARATOR } from "./packed-rows.ts";

type Packed = readonly (string | null)[];

/** A statement that adds packed rows, and its values. Undefined when there are none. */
export function insertPacked(
  table: string,
  { types, rows }: { types: readonly LandingType[]; rows: readonly PackedRows[] },
): { sql: string; texts: string[] } | undefined {
  const parts = rows.flatMap(({ rowCount, columns }) =>
    rowCount > 0 && "packed" in columns ? [{ rowCount, packed: columns.packed }] : [],
  );
  const texts: string[] = [];
  const lists: string[] = [];
  const values = types.map((type, index) => {
    const sqlType = type === "text" ? "varchar" : "integer";
    const column = joinColumn(parts, index);
    if (column === undefined) return `cast(null as ${sqlType})`;
    texts.push(column.text);
    lists.push(`string_split($${texts.length}, chr(${SEPARATOR.charCodeAt(0)})) as values_${index}`);
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
): { text: string; hasNulls: boolean } | undefined {
  if (parts.every(({ packed }) => packed[index] === null)) return undefined;
  const texts = parts.map(
    ({ rowCount, packed }) => packed[index] ?? Array<string>(rowCount).fill(NULL_MARK).join(SEPARATOR),
  );
  const text = texts.join(SEPARATOR);
  return { text, hasNulls: text.includes(NULL_MARK) };
}
