import type { CheckSql, Dialect, Relation, SqlHelpers } from "./engine.ts";

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}

export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** The helpers of templates in DuckDB's SQL. Fields are named, never paths: a dot is part of a name. */
const helpers: SqlHelpers = {
  /** The text of a field of a JSON document, null when it is absent or null. */
  json_text: (document = "", field = "") => `json_extract_string(${document}, ${jsonPointer(field)})`,
  /** The elements of a field that holds an array, as a list of texts; null when it holds none. */
  json_list: (document = "", field = "") =>
    `case when json_type(${document}, ${jsonPointer(field)}) = 'ARRAY' then json_extract_string(json_extract(${document}, ${jsonPointer(field)}), '$[*]') end`,
  /** How many elements a list has; null for a null. */
  list_length: (list = "") => `len(${list})`,
  /** A time stamp in UTC from a text in ISO 8601, one without a zone taken as UTC; null when it is none. */
  utc_timestamp: (text = "") => `(try_cast(${text} as timestamptz) at time zone 'UTC')`,
  /** Monday is 1, Sunday 7. */
  iso_weekday: (date = "") => `cast(extract(isodow from ${date}) as integer)`,
  /** A key of 32 hexadecimal digits from columns; nulls count, and so does the order. */
  surrogate_key: (...columns) =>
    `md5(${columns.map((column) => `coalesce(cast(${column} as varchar), '_null_')`).join(" || '-' || ")})`,
  /** A relation with one row a day, `date_day`, between two columns of a relation that has one row. */
  date_spine: (relation = "", first = "", last = "") =>
    `(select cast(unnest(generate_series(${first}, ${last}, interval 1 day)) as date) as date_day from ${relation})`,
};

const checks: CheckSql = {
  now: "cast(current_timestamp at time zone 'UTC' as timestamp)",
  addTime: (moment, { count, datepart }) => `(${moment} + interval (${count}) ${datepart})`,
  matchesRegex: (value, { regex, flags }) =>
    `regexp_matches(cast(${value} as varchar), ${literal(regex)}${flags === "" ? "" : `, ${literal(flags)}`})`,
  // DuckDB's trim() takes away spaces only.
  trim: (text) => `regexp_replace(${text}, '^\\s+|\\s+$', '', 'g')`,
  typeOf: (value) => `typeof(${value})`,
};

export const duckdbDialect: Dialect = {
  type: "duckdb",
  helpers,
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

function jsonPointer(field: string): string {
  return literal(`/${field.replaceAll("~", "~0").replaceAll("/", "~1")}`);
}
