/** Rows given column by column. */
export type Columns = readonly (readonly (string | number | null)[])[];

/** Control characters that no JSON text holds as such. */
export const SEPARATOR = "\u001e";
export const NULL_MARK = "\u001f";

/** All values of a column: UTF-8, with separators between them. */
export interface PackedColumn {
  text: Buffer;
  hasNulls: boolean;
}

/**
 * Some rows to land, each column in one text: far less to keep, and to hand over, than a text for each value. The texts
 * are bytes outside of the heap, where what waits for a batch to fill would be moved about and outlive its use.
 */
export interface PackedRows {
  rowCount: number;
  sizeBytes: number;
  /** One text a column, null where all values are; or the columns as given, where a value holds a mark itself. */
  columns: { packed: readonly (PackedColumn | null)[] } | { plain: Columns };
}

export function packRows(columns: Columns): PackedRows {
  const rowCount = columns[0]?.length ?? 0;
  const packed: (PackedColumn | null)[] = [];
  let sizeBytes = 0;
  for (const column of columns) {
    const one = packColumn(column);
    if (one === undefined) return { rowCount, sizeBytes: lengthOf(columns), columns: { plain: columns } };
    packed.push(one);
    sizeBytes += one?.text.length ?? 0;
  }
  return { rowCount, sizeBytes, columns: { packed } };
}

/** Undefined when a value holds a mark. */
function packColumn(column: Columns[number]): PackedColumn | null | undefined {
  let nulls = 0;
  for (const value of column) {
    if (value === null) nulls++;
    else if (typeof value === "string" && (value.includes(SEPARATOR) || value === NULL_MARK))
      return undefined;
  }
  if (nulls === column.length) return null;
  const marked = nulls === 0 ? column : column.map((value) => value ?? NULL_MARK);
  return { text: Buffer.from(marked.join(SEPARATOR)), hasNulls: nulls > 0 };
}

function lengthOf(columns: Columns): number {
  return columns.flat().reduce<number>((sum, value) => sum + String(value).length, 0);
}
