/** A sparse matrix by rows: the entries of row r are those from `offsets[r]` up to `offsets[r + 1]`. */
export interface SparseRows {
  offsets: Int32Array;
  columns: Int32Array;
  values: Float32Array;
}

/** Entries given in any order, each place at most once. */
export function sparseRows(
  rowCount: number,
  entries: { rows: ArrayLike<number>; columns: ArrayLike<number>; values: ArrayLike<number> },
): SparseRows {
  const size = entries.rows.length;
  const offsets = new Int32Array(rowCount + 1);
  for (let entry = 0; entry < size; entry++) bump(offsets, (entries.rows[entry] ?? 0) + 1);
  for (let row = 0; row < rowCount; row++) offsets[row + 1] = at(offsets, row + 1) + at(offsets, row);
  const next = offsets.slice();
  const columns = new Int32Array(size);
  const values = new Float32Array(size);
  for (let entry = 0; entry < size; entry++) {
    const place = bump(next, entries.rows[entry] ?? 0);
    columns[place] = entries.columns[entry] ?? 0;
    values[place] = entries.values[entry] ?? 0;
  }
  return { offsets, columns, values };
}

/** The same entries by columns. */
export function transposed(matrix: SparseRows, columnCount: number): SparseRows {
  const rows = new Int32Array(matrix.columns.length);
  for (let row = 0; row + 1 < matrix.offsets.length; row++)
    rows.fill(row, at(matrix.offsets, row), at(matrix.offsets, row + 1));
  return sparseRows(columnCount, { rows: matrix.columns, columns: rows, values: matrix.values });
}

export function rowRange({ offsets }: SparseRows, row: number): [from: number, to: number] {
  return [at(offsets, row), at(offsets, row + 1)];
}

export function rowSize(matrix: SparseRows, row: number): number {
  const [from, to] = rowRange(matrix, row);
  return to - from;
}

/** A value of a typed array within its bounds. */
export function at(array: ArrayLike<number>, place: number): number {
  return array[place] ?? 0;
}

/** Adds one and returns what was there. */
function bump(array: Int32Array, place: number): number {
  const before = at(array, place);
  array[place] = before + 1;
  return before;
}
