/** Rows given column by column. */
export type Columns = readonly (readonly (string | number | null)[])[];

/** Control characters that no JSON text holds as such. */
export const SEPARATOR = "\u001e";
export const NULL_MARK = "\u001f";

/** Some rows to land, each column in one text: far less to keep, and to hand over, than a text for each value. */
export interface PackedRows {
  rowCount: number;
  characters: number;
  /** One text a column, null where all values are; or the columns as given, where a value holds a mark itself. */
  columns: { packed: readonly (string | null)[] } | { plain: Columns };
}

export function packRows(columns: Columns): PackedRows {
  const rowCount = columns[0]?.length ?? 0;
  const packed: (string | null)[] = [];
  let characters = 0;
  for (const column of columns) {
    const text = packColumn(column);
    if (text === undefined) return { rowCount, characters: lengthOf(columns), columns: { plain: columns } };
    packed.push(text);
    characters += text?.length ?? 0;
  }
  return { rowCount, characters, columns: { packed } };
}

/** Undefined when a value holds a mark. */
function packColumn(column: Columns[number]): string | null | undefined {
  let nulls = 0;
  for (const value of column) {
    if (value === null) nulls++;
    else if (typeof value === "string" && (value.includes(SEPARATOR) || value === NULL_MARK))
      return undefined;
  }
  if (nulls === column.length) return null;
  return (nulls === 0 ? column : column.map((value) => value ?? NULL_MARK)).join(SEPARATOR);
}

function lengthOf(columns: Columns): number {
  return columns.flat().reduce<number>((sum, value) => sum + String(value).length, 0);
}
