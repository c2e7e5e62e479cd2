import { duckdbHelperArguments, duckdbHelpers } from "./duckdb-helpers.ts";
import { literal, quote } from "./duckdb-names.ts";
import type { CheckSql, Dialect, Relation } from "./engine.ts";

const checks: CheckSql = {
  now: "cast(current_timestamp at time zone 'UTC' as timestamp)",
  addTime: (moment, { count, datepart }) => `(${moment} + interval (${count}) ${datepart})`,
  matchesRegex: (value, { regex, flags }) =>
    `regexp_matches(cast(${value} as varchar), ${literal(regex)}${flags === "" ? "" : `, ${literal(flags)}`})`,
  // DuckDB's trim() takes away spaces only.
  trim: (text) => `regexp_replace(${text}, '^\\s+|\\s+$', '', 'g')`,
  typeOf: (value) => `typeof(${value})`,
  isInteger: (type) => /^U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)$/.test(type),
  // One bit for each number between the bounds.
  countIntegers: (column, { min, max }) => `bit_count(bitstring_agg(${column}, ${min}, ${max}))`,
};

export const duckdbDialect: Dialect = {
  type: "duckdb",
  helpers: duckdbHelpers,
  helperArguments: duckdbHelperArguments,
  checks,
  quote,
  literal,
  epochMs: (time) => `epoch_ms(cast(${time} as timestamptz))`,
  nameOf: ({ database, schema, name }: Relation) =>
    [database, schema, name].flatMap((part) => (part === undefined ? [] : [quote(part)])).join("."),
};

/** DuckDB names a database after its file. */
export function databaseName(path: string): string {
  const file = path.split(/[\\/]/).at(-1) ?? path;
  return path === ":memory:" ? "memory" : file.replace(/\..*$/, "");
}
