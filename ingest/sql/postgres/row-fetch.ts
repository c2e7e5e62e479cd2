import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { isVarying, type RowFetch, type RowTypes } from "../../records/row-types.ts";
import { fromOf, quoteName } from "../statement.ts";
import type { Column } from "./connection.ts";
import { TYPE } from "./row-types.ts";

/** What is asked of the server for a column, and SQL of the engine for its value in JSON, unless it is null. */
interface Way {
  ask(column: string): string;
  json(value: string): string;
}

const asIs = (column: string) => column;
const asText = (column: string) => `${column}::text`;
const quoted = (value: string) => `concat('"', ${value}, '"')`;

const PLAIN: Way = { ask: asIs, json: (value) => `cast(${value} as varchar)` };

/** NaN and the infinite ones are texts; letters sort behind digits. */
const NUMBER: Way = {
  ask: asText,
  json: (value) => `case when right(${value}, 1) > '9' then ${quoted(value)} else ${value} end`,
};

/** The server writes it. */
const JSON_TEXT: Way = { ask: (column) => `to_json(${column})::text`, json: asIs };

/** The engine writes \\u001F where the server writes \\u001f. A backslash of the text itself stands twice. */
function textJson(value: string): string {
  const json = `cast(to_json(${value}) as varchar)`;
  const lowered = ["0B", "0E", "0F", "1A", "1B", "1C", "1D", "1E", "1F"].reduce(
    (sql, code) => `replace(${sql}, '\\u00${code}', '\\u00${code.toLowerCase()}')`,
    `replace(${json}, '\\\\', chr(1))`,
  );
  return `case when contains(${json}, '\\u00') then replace(${lowered}, chr(1), '\\\\') else ${json} end`;
}

/** Infinite and early ones are rare, and written apart. */
function timeJson(zone: string): (value: string) => string {
  return (value) => {
    const text = `cast(${value} as varchar)`;
    const usual = `concat('"', replace(${text}, ' ', 'T'), '${zone}"')`;
    const early = `concat('"', replace(replace(${text}, ' (BC) ', 'T'), ' ', 'T'), '${zone} BC"')`;
    return `case when not isfinite(${value}) then ${quoted(text)} when ${value} < timestamp '0001-01-01' then ${early} else ${usual} end`;
  };
}

const WAYS: ReadonlyMap<number, Way> = new Map<number, Way>([
  ...[TYPE.smallint, TYPE.integer, TYPE.bigint, TYPE.boolean].map((type) => [type, PLAIN] as const),
  ...[TYPE.numeric, TYPE.real, TYPE.double].map((type) => [type, NUMBER] as const),
  ...[TYPE.text, TYPE.varchar].map((type) => [type, { ask: asIs, json: textJson }] as const),
  [TYPE.date, { ask: asText, json: quoted }],
  [TYPE.uuid, { ask: asIs, json: quoted }],
  [TYPE.timestamp, { ask: asIs, json: timeJson("") }],
  // The engine would take time to find the hour of a zone.
  [TYPE.timestamptz, { ask: (column) => `timezone('UTC', ${column})`, json: timeJson("+00:00") }],
  [TYPE.jsonb, { ask: asText, json: asIs }],
]);

const wayOf = (type: number): Way => WAYS.get(type) ?? JSON_TEXT;

/** SQL of the engine for the letter of a value that differs. */
function letterOf(type: number, value: string): string {
  if (type === TYPE.jsonb)
    return `case left(${value}, 1) when '{' then 'o' when '[' then 'a' when '"' then 's' when 't' then 'b' when 'f' then 'b' when 'n' then 'n'
      else case when ${value} is null then 'n' when regexp_matches(${value}, '[.eE]') then 'd' else 'i' end end`;
  return `case when ${value} is null then 'n' when right(${value}, 1) > '9' then 's' when contains(${value}, '.') or contains(${value}, 'e') then 'd' else 'i' end`;
}

interface Fetched {
  column: Column;
  /** Its name in the engine. */
  value: string;
}

/** The statement for the server, and what the engine makes of its columns: the same bytes as `row_to_json`. */
export function fetchStatement(
  stream: SqlStreamDefinition,
  columns: readonly Column[],
  types: RowTypes,
): { sql: string; held: string; fetch: Omit<RowFetch, "query"> } {
  const all = columns.map((column, index): Fetched => ({ column, value: `c${index}` }));
  const asked = all.map(
    ({ column, value }) => `${wayOf(column.type).ask(`_record.${quoteName(column.name)}`)} as ${value}`,
  );
  const find = (name: string) => all.find(({ column }) => column.name === name) ?? all[0];
  const members = all.map(({ column, value }, index) => {
    const json = wayOf(column.type).json(value);
    const head = literal(`${index === 0 ? "{" : ","}${JSON.stringify(column.name)}:`);
    return `${head}, case when ${value} is null then 'null' else ${json} end`;
  });
  return {
    held: heldSql(all),
    sql: `select ${asked.join(", ")} from ${fromOf(stream).text} as _record`,
    fetch: {
      types,
      typesOf: typesSql(all, types),
      key: keySql(stream.key.map(find)),
      updatedAt: timeSql(stream.updatedAt === undefined ? undefined : find(stream.updatedAt)),
      record: `concat(${members.join(", ")}, '}')`,
    },
  };
}

/** A condition that fails the query for times so late that the engine takes them for early ones. */
function heldSql(all: readonly Fetched[]): string {
  const times = all.filter(({ column: { type } }) => type === TYPE.timestamp || type === TYPE.timestamptz);
  const conditions = times.map(
    ({ value }) =>
      `case when ${value} < timestamp '5000-01-01 (BC) 00:00:00' and isfinite(${value}) then cast(error('a time that the engine cannot hold') as boolean) else true end`,
  );
  return conditions.length === 0 ? "true" : conditions.join(" and ");
}

export const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

function typesSql(all: readonly Fetched[], { members }: RowTypes): string {
  const own = (name: string) => all.find(({ column }) => column.name === name);
  const fixed = members.filter((one) => !isVarying(one));
  const values = fixed.map(({ name, letters }) => ({ value: own(name)?.value, letters }));
  const letters = values.map(
    ({ value, letters: letter }) => `case when ${value} is null then 'n' else '${letter}' end`,
  );
  const isWhole = values.map(({ value }) => `${value} is not null`).join(" and ");
  const parts = [
    ...(fixed.length > 0 ? [`case when ${isWhole} then '' else concat(${letters.join(", ")}) end`] : []),
    ...members.filter(isVarying).map(({ name }) => {
      const one = own(name);
      return one === undefined ? "''" : letterOf(one.column.type, one.value);
    }),
  ];
  return parts.length === 1 ? String(parts[0]) : `concat(${["''", ...parts].join(", ")})`;
}

const INTEGERS: readonly number[] = [TYPE.smallint, TYPE.integer, TYPE.bigint];

const BARE_KEYS: readonly number[] = [TYPE.text, TYPE.varchar, TYPE.uuid, TYPE.date];

/** As it stands in a raw table. */
function keySql(key: readonly (Fetched | undefined)[]): string {
  const known = key.filter((one) => one !== undefined);
  const [first] = known;
  if (first === undefined) return "''";
  const jsonOf = ({ column, value }: Fetched) => wayOf(column.type).json(value);
  if (known.length > 1) {
    const isWhole = known.map(({ value }) => `${value} is not null`).join(" and ");
    return `case when ${isWhole} then concat('[', ${known.map(jsonOf).join(", ',', ")}, ']') end`;
  }
  const { type } = first.column;
  if (INTEGERS.includes(type)) return `cast(${first.value} as varchar)`;
  if (BARE_KEYS.includes(type)) return `cast(${first.value} as varchar)`;
  const json = jsonOf(first);
  const inner = `case when contains(${json}, '\\') then json_extract_string(${json}, '$') else substr(${json}, 2, length(${json}) - 2) end`;
  return `case when ${first.value} is not null then ${inner} end`;
}

/** A text that sorts by time; null for what has no year of four digits, and for what is no time. */
function timeSql(one: Fetched | undefined): string {
  const none = "cast(null as varchar)";
  if (one === undefined) return none;
  const { column, value } = one;
  if (column.type === TYPE.date)
    return `case when substr(${value}, 5, 1) = '-' and not ends_with(${value}, 'BC') then rpad(concat(${value}, 'T00:00:00.'), 29, '0') end`;
  if (column.type !== TYPE.timestamp && column.type !== TYPE.timestamptz) return none;
  const text = `replace(cast(${value} as varchar), ' ', 'T')`;
  const padded = `rpad(case when contains(${text}, '.') then ${text} else concat(${text}, '.') end, 29, '0')`;
  return `case when ${value} >= timestamp '0001-01-01' and ${value} < timestamp '10000-01-01' then ${padded} end`;
}
