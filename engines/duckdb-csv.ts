import { readFileSync } from "node:fs";
import { literal, quote } from "./duckdb-names.ts";
import { type CsvFile, CsvValueError, type Rows, SqlError } from "./engine.ts";

type Query = (sql: string) => Promise<Rows>;

/** Integers written with zeros before them are codes: as numbers they would lose the zeros. */
const LEADING_ZERO = "^\\s*[+-]?0[0-9]";

/** A file whose columns are known. */
export interface ReadableCsv {
  /** For SQL: all values as text. */
  relation: string;
  /** The type of each column. */
  types: ReadonlyMap<string, string>;
}

/**
 * The columns of the file with the types that are given, else the type that all values of the column have.
 * Throws CsvValueError for a given column that is not there, SqlError with the line that breaks the form.
 */
export async function readCsv(file: CsvFile, query: Query): Promise<ReadableCsv> {
  const columns = await sniffColumns(file, query);
  const known = columns.map(({ name }) => name);
  const given = new Map(Object.entries(file.types).map(([name, type]) => [name.toLowerCase(), type]));
  const names = new Set(known.map((name) => name.toLowerCase()));
  const unknown = Object.keys(file.types).find((name) => !names.has(name.toLowerCase()));
  if (unknown !== undefined) throw new CsvValueError({ kind: "column", column: unknown, known });
  const relation = textReader(file, known);
  const numbers = columns.filter(({ name, type }) => isNumber(type) && !given.has(name.toLowerCase()));
  const { codes, wide } = await looksOf(
    relation,
    numbers.map(({ name }) => name),
    query,
  );
  const numberType = (name: string, type: string) =>
    type === "BIGINT" && !wide.has(name) ? "INTEGER" : type;
  const typeOf = (name: string, type: string) =>
    given.get(name.toLowerCase()) ?? (codes.has(name) ? "VARCHAR" : numberType(name, type));
  return { relation, types: new Map(columns.map(({ name, type }) => [name, typeOf(name, type)])) };
}

/** A query for the rows, cast. */
export function csvQuery({ relation, types }: ReadableCsv): string {
  const list = [...types].map(([name, type]) => `cast(${quote(name)} as ${type}) as ${quote(name)}`);
  return `select ${list.join(", ")} from ${relation}`;
}

/** The value that a failed cast stopped at; undefined when all values have their types. */
export async function firstWrongValue(
  { relation, types }: ReadableCsv,
  query: Query,
): Promise<CsvValueError | undefined> {
  for (const [column, type] of types) {
    const name = quote(column);
    const rows = await query(
      `select place, value from (select row_number() over () as place, ${name} as value from ${relation}) as numbered where value is not null and try_cast(value as ${type}) is null order by place limit 1`,
    );
    const [row, value] = rows.rows[0] ?? [];
    if (row !== undefined)
      return new CsvValueError({ kind: "value", row: Number(row), column, value: String(value), type });
  }
  return undefined;
}

async function sniffColumns(file: CsvFile, query: Query): Promise<{ name: string; type: string }[]> {
  try {
    // Without skip = 0 DuckDB takes lines of another length at the start for a preamble and drops them.
    const sniffed = await query(`describe from ${reader(file, "skip = 0, sample_size = -1")}`);
    return sniffed.rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    const [header = ""] = readFileSync(file.path, "utf8").split(/\r?\n/, 1);
    const names = header.split(file.delimiter).map((_, index) => `column_${index + 1}`);
    await query(`select count(*) from ${textReader(file, names)}`); // Says in which line the mistake is.
    throw error;
  }
}

/** Which columns of numbers hold codes, and which hold more than an INTEGER, the type that dbt gives whole numbers. */
async function looksOf(
  relation: string,
  names: readonly string[],
  query: Query,
): Promise<{ codes: Set<string>; wide: Set<string> }> {
  if (names.length === 0) return { codes: new Set(), wide: new Set() };
  const checks = names.flatMap((name) => [
    `bool_or(regexp_matches(${quote(name)}, ${literal(LEADING_ZERO)}))`,
    `bool_or(${quote(name)} is not null and try_cast(${quote(name)} as integer) is null)`,
  ]);
  const [found = []] = (await query(`select ${checks.join(", ")} from ${relation}`)).rows;
  return {
    codes: new Set(names.filter((_, index) => found[2 * index] === true)),
    wide: new Set(names.filter((_, index) => found[2 * index + 1] === true)),
  };
}

function isNumber(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL.*)$/.test(type);
}

function textReader(file: CsvFile, names: readonly string[]): string {
  const columns = names.map((name) => `${literal(name)}: 'VARCHAR'`).join(", ");
  return reader(file, `skip = 0, auto_detect = false, columns = {${columns}}`);
}

function reader({ path, delimiter }: CsvFile, mode: string): string {
  return `read_csv(${literal(path)}, header = true, delim = ${literal(delimiter)}, quote = '"', escape = '"', comment = '', ${mode})`;
}
