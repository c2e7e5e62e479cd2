/** Rows of a unit test. */
export type Fixture = RowsFixture | SqlFixture;

export interface RowsFixture {
  kind: "rows";
  /** Every column that one of the rows names. */
  columns: string[];
  /** A value for each column; what a row does not name is null. */
  rows: unknown[][];
  /** Whether values are texts that say nothing of their type, as in CSV. */
  isText: boolean;
  /** `file:line:column`. */
  where: string;
  placeOf(row: number, column: string): string;
}

export interface SqlFixture {
  kind: "sql";
  sql: string;
  where: string;
  placeOf(offset: number): string;
}
