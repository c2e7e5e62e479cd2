import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { isJudgedByTypes } from "../../contract/by-types.ts";
import { isVarying, type RowMember, type RowTypes } from "../../records/row-types.ts";
import { fromOf, quoteName } from "../statement.ts";
import type { Column } from "./connection.ts";

/** OIDs of `pg_type`. */
export const TYPE = {
  boolean: 16,
  name: 19,
  bigint: 20,
  smallint: 21,
  integer: 23,
  text: 25,
  real: 700,
  double: 701,
  char: 1042,
  varchar: 1043,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
} as const;

/** What a type always is in JSON, unless it is null. `json` is none of them: its text may hold what readers refuse. */
const FIXED: ReadonlyMap<number, string> = new Map([
  ...[TYPE.smallint, TYPE.integer, TYPE.bigint].map((type) => [type, "i"] as const),
  ...[
    TYPE.text,
    TYPE.varchar,
    TYPE.char,
    TYPE.name,
    TYPE.uuid,
    TYPE.date,
    TYPE.timestamp,
    TYPE.timestamptz,
  ].map((type) => [type, "s"] as const),
  // time, timetz, interval, bytea, inet, cidr
  ...[1083, 1266, 1186, 17, 869, 650].map((type) => [type, "s"] as const),
  [TYPE.boolean, "b"] as const,
  // Arrays of bool, smallint, integer, bigint, text, varchar, real, double, date, timestamp, timestamptz, numeric, uuid, jsonb.
  ...[1000, 1005, 1007, 1016, 1009, 1015, 1021, 1022, 1182, 1115, 1185, 1231, 2951, 3807].map(
    (type) => [type, "a"] as const,
  ),
]);

interface Varying {
  letters: string;
  letter(column: string): string;
}

/** The values differ: SQL for the letter of one. */
const VARYING: ReadonlyMap<number, Varying> = new Map<number, Varying>([
  [
    TYPE.numeric,
    {
      letters: "ids",
      letter: (column) =>
        `case when ${column} is null then 'n' when scale(${column}) > 0 then 'd' when scale(${column}) = 0 then 'i' else 's' end`,
    },
  ],
  ...[TYPE.real, TYPE.double].map(
    (type) =>
      [
        type,
        {
          letters: "ids",
          letter: (column: string) =>
            `case when ${column} is null then 'n' when ${column}::text ~ '[yN]' then 's' when ${column}::text ~ '[.e]' then 'd' else 'i' end`,
        },
      ] as const,
  ),
  [
    TYPE.jsonb,
    {
      letters: "idsboan",
      letter: (column) =>
        `case jsonb_typeof(${column}) when 'object' then 'o' when 'array' then 'a' when 'string' then 's' when 'boolean' then 'b' when 'number' then case when ${column}::text ~ '[.eE]' then 'd' else 'i' end else 'n' end`,
    },
  ],
]);

const PLAIN_KEYS: readonly number[] = [TYPE.smallint, TYPE.integer, TYPE.bigint];
const QUOTED_KEYS: readonly number[] = [
  TYPE.text,
  TYPE.varchar,
  TYPE.char,
  TYPE.name,
  TYPE.uuid,
  TYPE.date,
  TYPE.timestamp,
  TYPE.timestamptz,
];
const TIMES: readonly number[] = [TYPE.date, TYPE.timestamp, TYPE.timestamptz];
/** Any double holds a numeric of so many digits, rounded. */
const MOST_DIGITS = 300;

/** How a stream's rows are asked for, so that nothing has to be looked at in them. */
export interface RowStatement {
  types: RowTypes;
  /** Without its end: WHERE and so on may follow. */
  sql: string;
}

/** Undefined when rows have to be judged one by one. */
export function rowStatement(
  stream: SqlStreamDefinition,
  columns: readonly Column[],
): RowStatement | undefined {
  const members: RowMember[] = [];
  for (const { name, type, modifier } of columns) {
    const letters = FIXED.get(type) ?? VARYING.get(type)?.letters;
    if (letters === undefined || members.some((one) => one.name === name)) return undefined;
    const isSmall = type === TYPE.smallint || type === TYPE.integer;
    const isBounded = type !== TYPE.jsonb && (type !== TYPE.numeric || digitsOf(modifier) <= MOST_DIGITS);
    members.push({ name, letters, isSmall, isBounded });
  }
  const typeOf = (name: string) => columns.find((column) => column.name === name)?.type ?? 0;
  const keyTypes = stream.key.map(typeOf);
  if (!keyTypes.every((type) => [...PLAIN_KEYS, ...QUOTED_KEYS].includes(type))) return undefined;
  const { updatedAt } = stream;
  if (
    updatedAt !== undefined &&
    ([TYPE.text, TYPE.varchar, TYPE.char, TYPE.name, TYPE.jsonb] as number[]).includes(typeOf(updatedAt))
  )
    return undefined;
  const isKeyQuoted =
    keyTypes.length === 0 || (keyTypes.length === 1 && QUOTED_KEYS.includes(keyTypes[0] ?? 0));
  const types = { members, isKeyQuoted };
  if (!isJudgedByTypes(stream, types)) return undefined;
  const isTime = updatedAt !== undefined && TIMES.includes(typeOf(updatedAt));
  const parts = [
    typesSql(types, typeOf),
    keySql(stream.key, typeOf),
    isTime ? `${columnSql(updatedAt)}::text` : "null",
    "row_to_json(_record.*)",
  ];
  return { types, sql: `select ${parts.join(", ")} from ${fromOf(stream).text} as _record` };
}

/** Unbounded when it has no modifier, or rounds before the point. */
function digitsOf(modifier: number): number {
  const isRounded = ((modifier - 4) & 0x400) !== 0;
  return modifier < 4 || isRounded ? Number.POSITIVE_INFINITY : (modifier - 4) >> 16;
}

const columnSql = (name: string) => `_record.${quoteName(name)}`;

function typesSql({ members }: RowTypes, typeOf: (name: string) => number): string {
  const fixed = members.filter((one) => !isVarying(one));
  const letters = fixed.map(
    ({ name, letters: letter }) => `case when ${columnSql(name)} is null then 'n' else '${letter}' end`,
  );
  const isWhole = fixed.map(({ name }) => `${columnSql(name)} is not null`).join(" and ");
  const parts = [
    ...(fixed.length > 0 ? [`case when ${isWhole} then '' else ${letters.join(" || ")} end`] : []),
    ...members
      .filter(isVarying)
      .map(({ name }) => VARYING.get(typeOf(name))?.letter(columnSql(name)) ?? "''"),
  ];
  return parts.map((part) => `(${part})`).join(" || ");
}

/** As JSON, but a lone number as text; null when any is null, and an empty text when there is none. */
function keySql(key: readonly string[], typeOf: (name: string) => number): string {
  if (key.length === 0) return `'""'`;
  const parts = key.map((name) =>
    PLAIN_KEYS.includes(typeOf(name)) ? `${columnSql(name)}::text` : `to_json(${columnSql(name)})::text`,
  );
  return parts.length === 1 ? String(parts[0]) : `'[' || ${parts.join(" || ',' || ")} || ']'`;
}
