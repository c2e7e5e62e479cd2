import type { Dialect } from "../../engines/engine.ts";
import type { RowsFixture } from "./fixture.ts";

/** A column that rows fill. */
export interface FilledColumn {
  name: string;
  /** As the engine spells it; null: the type that the values themselves have. */
  type: string | null;
  /** Its place in the rows; null when they do not name it. */
  place: number | null;
}

/** A query for the rows, each value of its column's type. */
export function rowsQuery(
  dialect: Dialect,
  { rows, isText }: Pick<RowsFixture, "rows" | "isText">,
  columns: readonly FilledColumn[],
): string {
  const types = columns.map(
    ({ type, place }) => type ?? inferType(place === null ? [] : rows.map((row) => row[place]), isText),
  );
  const cell = (row: readonly unknown[], index: number) => {
    const place = columns[index]?.place ?? null;
    return castSql(dialect, place === null ? null : row[place], types[index] ?? null);
  };
  const names = columns.map(({ name }) => dialect.quote(name));
  if (columns.length === 0) return `select null as ${dialect.quote("no column is known")} where false`;
  if (rows.length === 0) {
    const list = names.map((name, index) => `${cell([], index)} as ${name}`);
    return `select ${list.join(", ")} where false`;
  }
  const values = rows.map((row) => `(${columns.map((_, index) => cell(row, index)).join(", ")})`);
  return `select * from (values\n${values.join(",\n")}\n) as given (${names.join(", ")})`;
}

/** A value as an expression of a type. */
export function castSql(dialect: Dialect, value: unknown, type: string | null): string {
  if (value === null || value === undefined) return type === null ? "null" : `cast(null as ${type})`;
  const isNested = typeof value === "object" && type !== null && /^(VARCHAR|TEXT|STRING|JSON)\b/i.test(type);
  const sql = isNested ? dialect.literal(JSON.stringify(value)) : valueSql(dialect, value);
  return type === null ? sql : `cast(${sql} as ${type})`;
}

function valueSql(dialect: Dialect, value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => valueSql(dialect, item)).join(", ")}]`;
  if (typeof value !== "object") return dialect.literal(String(value));
  const members = Object.entries(value).map(
    ([key, member]) => `${dialect.literal(key)}: ${valueSql(dialect, member)}`,
  );
  return `{${members.join(", ")}}`;
}

const TEXT_TYPES: [type: string, form: RegExp][] = [
  ["BIGINT", /^[-+]?(0|[1-9]\d{0,17})$/],
  ["DOUBLE", /^[-+]?(0|[1-9]\d*)?(\.\d+)?([eE][-+]?\d+)?$/],
  ["BOOLEAN", /^(true|false)$/i],
  ["DATE", /^\d{4}-\d{2}-\d{2}$/],
  ["TIMESTAMP", /^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/],
];

/** The type that all values of a column have; null leaves lists and maps to the engine. */
function inferType(values: readonly unknown[], isText: boolean): string | null {
  const given = values.filter((value) => value !== null && value !== undefined);
  if (given.length === 0) return "VARCHAR";
  if (given.some((value) => typeof value === "object")) return null;
  if (given.every((value) => typeof value === "boolean")) return "BOOLEAN";
  if (given.every((value) => typeof value === "number"))
    return given.every((value) => Number.isSafeInteger(value)) ? "BIGINT" : "DOUBLE";
  if (!isText) return "VARCHAR";
  const [type = "VARCHAR"] =
    TEXT_TYPES.find(([, form]) => given.every((value) => form.test(String(value)))) ?? [];
  return type;
}

/** Whether a value would lose something as a value of the type, which a cast does without a word. */
export function isLossy(value: unknown, type: string): boolean {
  const text = String(value).trim();
  if (/^DATE$/i.test(type)) return /[ T]\d{2}:\d{2}/.test(text) && !/[ T]00:00(:00(\.0+)?)?Z?$/.test(text);
  const places = decimalPlaces(type);
  const fraction = /^[-+]?\d*\.(\d*?)0*$/.exec(text)?.[1];
  return places !== undefined && fraction !== undefined && fraction.length > places;
}

function decimalPlaces(type: string): number | undefined {
  if (/^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$/i.test(type)) return 0;
  const scale = /^(?:DECIMAL|NUMERIC)\s*\(\s*\d+\s*,\s*(\d+)\s*\)$/i.exec(type)?.[1];
  return scale === undefined ? undefined : Number(scale);
}
