import { literal, quote } from "./duckdb-names.ts";
import type { HelperValue, SqlHelpers } from "./engine.ts";

interface Helper {
  /** As a macro declares its own. */
  arguments: string;
  sql: (...values: HelperValue[]) => string;
}

/** The helpers of templates in DuckDB's SQL. Fields are named, never paths: a dot is part of a name. */
const HELPERS: Record<string, Helper> = {
  /** The text of a field of a JSON document, null when it is absent or null. */
  json_text: {
    arguments: "document, field",
    sql: (document, field) => `json_extract_string(${document}, ${jsonPointer(field)})`,
  },
  /** The digits of a field that holds a number, all of them as they stand in the document; null when it holds none. */
  json_number: { arguments: "document, field", sql: (document, field) => numberSql(document, field) },
  /** The elements of a field that holds an array, as a list of texts; null when it holds none. */
  json_list: {
    arguments: "document, field",
    sql: (document, field) =>
      `case when json_type(${document}, ${jsonPointer(field)}) = 'ARRAY' then json_extract_string(json_extract(${document}, ${jsonPointer(field)}), '$[*]') end`,
  },
  /** How many elements a list has; null for a null. */
  list_length: { arguments: "list", sql: (list) => `len(${list})` },
  /** A time stamp in UTC from a text in ISO 8601, one without a zone taken as UTC; null when it is none. */
  utc_timestamp: {
    arguments: "text",
    sql: (text) => `(try_cast(${text} as timestamptz) at time zone 'UTC')`,
  },
  /** Monday is 1, Sunday 7. */
  iso_weekday: { arguments: "date", sql: (date) => `cast(extract(isodow from ${date}) as integer)` },
  /** A key of 32 hexadecimal digits from columns; nulls count, and so does the order. */
  surrogate_key: {
    arguments: "...columns",
    sql: (...columns) =>
      `md5(${columns.map((column) => `coalesce(cast(${column} as varchar), '_null_')`).join(" || '-' || ")})`,
  },
  /** dbt_utils' formula, so that keys equal those that dbt made. */
  generate_surrogate_key: {
    arguments: "...columns",
    sql: (...columns) => {
      const texts = columns.map(
        (column) => `coalesce(cast(${column} as varchar), '_dbt_utils_surrogate_key_null_')`,
      );
      return `md5(cast(${texts.join(" || '-' || ")} as varchar))`;
    },
  },
  /** A relation with one row a day, `date_day`, between two columns of a relation that has one row. */
  date_spine: {
    arguments: "relation, first, last",
    sql: (relation, first, last) =>
      `(select cast(unnest(generate_series(${first}, ${last}, interval 1 day)) as date) as date_day from ${relation})`,
  },
  /** dbt_utils' date_spine: a query with one row a part, `date_<part>`, the end left out. */
  date_series: {
    arguments: "datepart, start_date, end_date",
    sql: (datepart, start, end) =>
      `select unnest(generate_series(cast(${start} as timestamp), cast(${end} as timestamp) - interval 1 microsecond, interval 1 ${partName(datepart)})) as date_${partName(datepart)}`,
  },
  /** All columns of a relation but some; `prefix` and `suffix` go around their names. */
  star: {
    arguments: "from, relation_alias=false, except=[], prefix='', suffix=''",
    sql: (_from, alias, except, prefix, suffix) => starSql({ alias, except, prefix, suffix }),
  },
  /** A query for the rows of all the relations, matched by column name; a column says where each came from. */
  union_relations: {
    arguments: "relations, exclude=[], source_column_name='_dbt_source_relation'",
    sql: (relations, exclude, sourceColumn) => {
      // `* exclude` refuses a column that one of the relations does not have.
      const names = listOf(exclude).map((name) => literal(String(name).toLowerCase()));
      const columns = names.length === 0 ? "*" : `columns(c -> lower(c) not in (${names.join(", ")}))`;
      return listOf(relations)
        .map((relation) => {
          const origin = `cast(${literal(String(relation))} as varchar) as ${sourceColumn}, `;
          return `(select ${sourceColumn === null ? "" : origin}${columns} from ${relation})`;
        })
        .join("\nunion all by name\n");
    },
  },
  /** One column for every value: how often it occurs, or the aggregate of `then_value` over its rows. */
  pivot: {
    arguments:
      "column, values, alias=true, agg='sum', cmp='=', prefix='', suffix='', then_value=1, else_value=0, quote_identifiers=true, distinct=false",
    sql: (column, values, alias, agg, cmp, prefix, suffix, thenValue, elseValue, isQuoted, distinct) =>
      listOf(values)
        .map((value) => {
          const name = `${prefix}${value}${suffix}`;
          const test = `${column} ${cmp} ${literal(String(value))}`;
          const other = elseValue === null ? "" : ` else ${elseValue}`;
          const sql = `${agg}(${distinct === true ? "distinct " : ""}case when ${test} then ${thenValue}${other} end)`;
          if (alias !== true) return sql;
          return `${sql} as ${isQuoted === false ? name : quote(name)}`;
        })
        .join(",\n"),
  },
  safe_cast: { arguments: "field, type", sql: (field, type) => `try_cast(${field} as ${type})` },
  dateadd: {
    arguments: "datepart, interval, from_date_or_timestamp",
    sql: (datepart, interval, from) => `date_add(${from}, interval (${interval}) ${partName(datepart)})`,
  },
  datediff: {
    arguments: "first_date, second_date, datepart",
    sql: (first, second, datepart) =>
      `date_diff('${partName(datepart)}', cast(${first} as timestamp), cast(${second} as timestamp))`,
  },
  date_trunc: {
    arguments: "datepart, date",
    sql: (datepart, date) => `date_trunc('${partName(datepart)}', ${date})`,
  },
  /** The delimiter is SQL, with its own quotes: `"','"`. */
  split_part: {
    arguments: "string_text, delimiter_text, part_number",
    sql: (text, delimiter, part) => `split_part(${text}, ${delimiter}, ${part})`,
  },
  listagg: {
    arguments: `measure, delimiter_text="','", order_by_clause='', limit_num=null`,
    sql: (measure, delimiter, order, limit) => {
      const ordered = order === "" || order === null ? "" : ` ${order}`;
      return limit === null
        ? `string_agg(${measure}, ${delimiter}${ordered})`
        : `list_aggregate((array_agg(${measure}${ordered}))[1:${limit}], 'string_agg', ${delimiter})`;
    },
  },
  concat: { arguments: "fields", sql: (fields) => listOf(fields).join(" || ") },
  hash: { arguments: "field", sql: (field) => `md5(cast(${field} as varchar))` },
  current_timestamp: { arguments: "", sql: () => "now()" },
  type_string: { arguments: "", sql: () => "varchar" },
  type_int: { arguments: "", sql: () => "integer" },
  type_bigint: { arguments: "", sql: () => "bigint" },
  type_float: { arguments: "", sql: () => "double" },
  type_numeric: { arguments: "", sql: () => "numeric(28, 6)" },
  type_boolean: { arguments: "", sql: () => "boolean" },
  type_timestamp: { arguments: "", sql: () => "timestamp" },
};

export const duckdbHelpers: SqlHelpers = Object.fromEntries(
  Object.entries(HELPERS).map(([name, { sql }]) => [name, sql]),
);

export const duckdbHelperArguments: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(HELPERS).map(([name, helper]) => [name, helper.arguments]),
);

function starSql(given: Record<"alias" | "except" | "prefix" | "suffix", HelperValue | undefined>): string {
  const names = listOf(given.except).map((name) => quote(String(name)));
  const from = typeof given.alias === "string" ? `${given.alias}.*` : "*";
  const columns = names.length === 0 ? from : `${from} exclude (${names.join(", ")})`;
  if (given.prefix === "" && given.suffix === "") return columns;
  return `columns(${columns}) as ${literal(`${given.prefix}\\0${given.suffix}`)}`;
}

function listOf(value: HelperValue | undefined): HelperValue[] {
  if (Array.isArray(value)) return value;
  return value === null || value === undefined ? [] : [value];
}

/** Parts of dates stand in SQL without quotes. */
function partName(part: HelperValue | undefined): string {
  return String(part).replace(/\W/g, "").toLowerCase();
}

/** DuckDB's reader of JSON rounds decimals: their digits are looked for in the text, by the name and the rounded value. */
function numberSql(document: HelperValue | undefined, field: HelperValue | undefined): string {
  const text = `json_extract_string(${document}, ${jsonPointer(field)})`;
  const name = JSON.stringify(String(field)).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  const written = `regexp_extract_all(${document}, ${literal(`${name}\\s*:\\s*(-?[0-9][0-9.eE+-]*)`)}, 1)`;
  const same = `lambda number: try_cast(number as double) is not distinct from try_cast(${text} as double)`;
  const lost = `error(concat(${literal(`json_number: no digits of ${field} in `)}, left(${document}, 80)))`;
  return `case json_type(${document}, ${jsonPointer(field)}) when 'DOUBLE' then coalesce(list_filter(${written}, ${same})[1], ${lost}) when 'BIGINT' then ${text} when 'UBIGINT' then ${text} end`;
}

function jsonPointer(field: HelperValue | undefined): string {
  return literal(`/${String(field).replaceAll("~", "~0").replaceAll("/", "~1")}`);
}
