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
  comparable: (relation, { exclude, precision }) => {
    const names = exclude.map((name) => literal(name.toLowerCase())).join(", ");
    const columns = exclude.length === 0 ? "*" : `columns(lambda name: lower(name) not in (${names}))`;
    const query = `select ${columns} from ${relation}`;
    if (precision === undefined) return query;
    const rounded = `round(try_cast(cast(columns(*) as varchar) as decimal(38, 10)), ${precision})`;
    const hasFraction = "typeof(columns(*)) in ('DOUBLE', 'FLOAT') or typeof(columns(*)) like 'DECIMAL%'";
    return `select coalesce(case when ${hasFraction} then cast(${rounded} as varchar) end, cast(columns(*) as varchar)) from (${query})`;
  },
  inOrderOf: (query, other) => `(select * from (${query}) where false) union all by name (${other})`,
  columnsOf: (relation) =>
    `select column_name, row_number() over () as place from (describe select * from ${relation})`,
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
