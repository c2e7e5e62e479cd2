import type { PackedRows } from "./packed-rows.ts";
import type { PostgresDoors } from "./postgres-doors/doors.ts";

/** A value as JSON can hold it; numbers beyond double precision, decimals and times come as text. */
export type Value = string | number | boolean | null | Value[] | { [name: string]: Value };

export interface Rows {
  columns: string[];
  /** The engine's type names, one a column. */
  types: string[];
  rows: Value[][];
}

export interface Relation {
  /** Only when it is not the warehouse itself. */
  database?: string;
  schema: string;
  name: string;
}

export type RelationKind = "table" | "view";

export interface ColumnType {
  name: string;
  /** As the engine spells it. */
  type: string;
}

/** What a database says of a relation. */
export interface CatalogRelation extends Relation {
  kind: RelationKind;
  comment: string | null;
  columns: (ColumnType & { comment: string | null })[];
  /** Of a table, as the engine knows it without counting; null for a view. */
  rowCount: number | null;
}

/** A table whose columns are declared before its rows come. Constraints are clauses of SQL. */
export interface TableDefinition {
  columns: readonly (ColumnType & { constraints: readonly string[] })[];
  constraints: readonly string[];
}

/** Names by which conditions on a change of rows call the table and the new rows; dbt's. */
export const CHANGED_TABLE = "DBT_INTERNAL_DEST";
export const NEW_ROWS = "DBT_INTERNAL_SOURCE";

/** Which rows of a table a set of new rows is about. */
export interface RowMatch {
  /** Columns; nulls are equal to each other. */
  keys: readonly string[];
  /** Further conditions, in SQL. */
  predicates: readonly string[];
}

/** Column types that rows are landed in. Raw text is never given another type at landing. */
export type LandingType = "text" | "integer";

/** Rows, a line each: types, key, time stamp of the version and record, apart by tabs, each backslash doubled. */
export interface LandingLines {
  text: string;
  page: number;
  /** The key is a JSON text. */
  isKeyQuoted: boolean;
  /** A regular expression of types: other rows have a reason, to be written later. Null accepts all. */
  accepted: string | null;
}

/** An argument of a helper: SQL as text mostly; lists of it, flags. */
export type HelperValue = string | number | boolean | null | HelperValue[] | { [name: string]: HelperValue };

/** What a template may call to say the same thing to every engine: SQL in, SQL out. */
export type SqlHelpers = Readonly<Record<string, (...args: HelperValue[]) => string>>;

/** A file with a header, its values separated by `delimiter`. */
export interface CsvFile {
  path: string;
  delimiter: string;
  /** SQL types by column; columns without one get the type that all their values have. */
  types: Readonly<Record<string, string>>;
  /** Whether only its columns are taken, with the types that its values give them. */
  isEmpty?: boolean;
}

type CsvProblem =
  | { kind: "column"; column: string; known: string[] }
  | { kind: "value"; row: number; column: string; value: string; type: string };

/** What is wrong in a CSV file, row 1 being the first below the header. */
export class CsvValueError extends Error {
  override readonly name = "CsvValueError";

  constructor(readonly problem: CsvProblem) {
    super(`column ${problem.column}`);
  }
}

/** One connection. Its calls run one after another; open a second session for parallel work. */
export interface Session {
  /** Throws SqlError. */
  query(sql: string, values?: readonly Value[]): Promise<Rows>;
  /** The columns of a query of numbers, a NaN for each null: many rows in little memory. Throws SqlError. */
  queryNumbers(sql: string): Promise<Float64Array[]>;
  /** Runs a statement and returns the number of rows that it changed or created. Throws SqlError. */
  run(sql: string, values?: readonly Value[]): Promise<number>;
  /** Commits when `work` resolves; rolls back and rethrows when anything in it fails. Inside another it is part of that. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Undefined when there is no such relation. */
  kindOf(relation: Relation): Promise<RelationKind | undefined>;
  columnsOf(relation: Relation): Promise<ColumnType[]>;
  /** What a query would yield; it is not run. Throws SqlError. */
  columnsOfQuery(query: string): Promise<ColumnType[]>;
  /** A table that only this session sees, gone when it is closed. Returns its name for SQL. */
  createLandingTable(name: string, columns: Readonly<Record<string, LandingType>>): Promise<string>;
  /** Adds rows to a table of `createLandingTable`, in no certain order. */
  land(table: string, rows: readonly PackedRows[]): Promise<void>;
  /** Adds rows that come as lines to a landing table of records that has a column `types` too. Returns how many. */
  landLines(table: string, lines: LandingLines): Promise<number>;
  /** Replaces the relation by the query's rows in one step: readers see the old or the new one. */
  replaceTable(relation: Relation, query: string, definition?: TableDefinition): Promise<number>;
  replaceView(relation: Relation, query: string): Promise<void>;
  /** Replaces the table by the rows of the file in one step. Throws SqlError or CsvValueError. */
  replaceTableFromCsv(relation: Relation, file: CsvFile): Promise<number>;
  /** The query's rows in a table that only this session sees, until `dropStaged`; `table` is for SQL. */
  stageRows(query: string): Promise<{ table: string; columns: ColumnType[] }>;
  dropStaged(): Promise<void>;
  alterTable(
    relation: Relation,
    change: { add: readonly ColumnType[]; drop: readonly string[]; retype: readonly ColumnType[] },
  ): Promise<void>;
  /** Adds the staged rows. Returns how many. */
  insertStaged(relation: Relation, columns: readonly string[]): Promise<number>;
  /** Deletes the rows that the staged ones match. */
  deleteStaged(relation: Relation, match: RowMatch): Promise<number>;
  /** Deletes the rows whose time lies in a stretch; `column` is SQL, the times are `2026-01-31 00:00:00`. */
  deleteWindow(relation: Relation, window: { column: string; start: string; end: string }): Promise<number>;
  /** Updates the rows that the staged ones match, and adds the others. Returns how many it touched. */
  mergeStaged(
    relation: Relation,
    match: RowMatch & { columns: readonly string[]; update: readonly string[] },
  ): Promise<number>;
  /** Writes descriptions beside the relation; an empty one removes what was there. */
  describe(
    relation: Relation,
    text: { relation?: string; columns: Readonly<Record<string, string>> },
  ): Promise<void>;
  close(): void;
}

export const DATE_PARTS = [
  "microsecond",
  "millisecond",
  "second",
  "minute",
  "hour",
  "day",
  "week",
  "month",
  "quarter",
  "year",
] as const;
export type DatePart = (typeof DATE_PARTS)[number];

/** What data tests say of values and engines write differently: SQL in, SQL out. */
export interface CheckSql {
  /** The present as a time stamp in UTC. */
  readonly now: string;
  /** A time stamp `count` parts later; earlier for a negative count. */
  addTime(moment: string, by: { count: number; datepart: DatePart }): string;
  /** Whether a value, as text, holds a match of the pattern; null for a null. */
  matchesRegex(value: string, pattern: { regex: string; flags: string }): string;
  /** A text without white space around it. */
  trim(text: string): string;
  /** The engine's name of a value's type. */
  typeOf(value: string): string;
  /** A query for a relation's columns but some, which it need not have; numbers with a fraction as rounded texts. */
  comparable(relation: string, as: { exclude: readonly string[]; precision: number | undefined }): string;
  /** A query for the rows of another query, its columns in the order in which the first has them. */
  inOrderOf(query: string, other: string): string;
  /** A query for the names of a relation's columns and their places, as `column_name` and `place`. */
  columnsOf(relation: string): string;
  /** Whether a type, as the engine names it, holds whole numbers. */
  isInteger(type: string): boolean;
  /** An aggregate: how many different whole numbers a column holds, all of them within bounds. */
  countIntegers(column: string, bounds: { min: bigint; max: bigint }): string;
}

export const FILE_FORMATS = ["parquet", "csv", "ndjson"] as const;
export type FileFormat = (typeof FILE_FORMATS)[number];

/** How an engine's SQL is written; known without a connection. */
export interface Dialect {
  /** The name by which artifacts and other tools know the engine. */
  readonly type: "duckdb";
  readonly helpers: SqlHelpers;
  readonly checks: CheckSql;
  /** The helpers' arguments as a macro declares its own: `column, digits=2, ...more`. */
  readonly helperArguments: Readonly<Record<string, string>>;
  /** Quoted for SQL. */
  nameOf(relation: Relation): string;
  quote(identifier: string): string;
  literal(value: string): string;
  /** Milliseconds since 1970 of a time, a date, or a text that holds one; without a zone it is UTC. */
  epochMs(time: string): string;
}

/** What the engine's own parser says of a query. */
export interface QueryFacts {
  /** The same for queries that differ in comments and white space only. */
  hash: string;
  /** The relations that stand in it, CTEs aside, with as much of their names as was written. */
  relations: { database?: string; schema?: string; name: string }[];
  /** Why its rows may be others the next time, over the same tables; null when they are the same. */
  unstable: string | null;
}

export interface Engine extends Dialect {
  openSession(): Promise<Session>;
  /** By which it reads PostgreSQL itself; none when it cannot, or was not asked to. */
  readonly postgres?: PostgresDoors | undefined;
  /** Of each query, in their order; none of them is run. One that cannot be read counts as unstable. */
  factsOf(queries: readonly string[]): Promise<QueryFacts[]>;
  /** Brings all that was committed into the warehouse's own file. Throws when something is being written. */
  checkpoint(): Promise<void>;
  /** Every table and view of the database, keyed `schema.name`; those of attached ones after their name. */
  relations(): Promise<Map<string, RelationKind>>;
  /** About how many rows the tables hold, keyed as `relations`; of views nothing is known. */
  rowEstimates(): Promise<Map<string, number>>;
  /** Every table and view with its columns, comments and number of rows. */
  catalog(): Promise<CatalogRelation[]>;
  createSchemas(schemas: Iterable<string>): Promise<void>;
  /** Copies the relations, as tables, into a new database file that other processes may read. */
  exportTo(file: string, relations: readonly Relation[]): Promise<void>;
  /** Writes the relation's rows into a new file and returns how many. Throws SqlError. */
  copyTo(file: string, from: Relation | { query: string }, format: FileFormat): Promise<number>;
  close(): void;
}

/** An error of the engine about a statement that it was given. */
export class SqlError extends Error {
  override readonly name = "SqlError";
  /** Characters from the start of the caller's SQL to the place that the engine complains about. */
  readonly offset: number | undefined;

  constructor(message: string, options: { offset?: number | undefined; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.offset = options.offset;
  }

  /** The same error with its place counted from the start of a query that stands inside a longer statement. */
  inside(query: { start: number; length: number }): SqlError {
    const offset = this.offset === undefined ? undefined : this.offset - query.start;
    // What stands behind the query is met when the query ends too early.
    const isMeant = offset !== undefined && offset >= 0;
    return new SqlError(this.message, {
      offset: isMeant ? Math.min(offset, query.length) : undefined,
      cause: this.cause,
    });
  }
}

export function relationKey(relation: Relation): string {
  return [relation.database, relation.schema, relation.name]
    .filter((part) => part !== undefined)
    .join(".")
    .toLowerCase();
}

/** Values of the first column, as text. */
export function firstColumn(rows: Rows): string[] {
  return rows.rows.map((row) => String(row[0]));
}
