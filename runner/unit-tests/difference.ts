import type { Rows, Value } from "../../engines/engine.ts";

/** How the rows of a result differ from those that were expected. */
export interface Difference {
  columns: string[];
  rows: DifferentRow[];
  /** Rows that are as expected. */
  same: number;
}

export interface DifferentRow {
  kind: "changed" | "missing" | "unexpected";
  cells: { value: Value /** Of a changed cell. */; expected?: Value }[];
}

/** A row with its values in a form in which equal values are equal texts. */
interface KeyedRow {
  values: Value[];
  keys: string[];
}

/**
 * Compares two lists of rows of the same columns and types, whatever their order; a row counts as often as it is
 * there. Null when they are equal. Rows without an equal one are paired with the one that they share most with.
 */
export function compareRows(expected: Rows, actual: Rows): Difference | null {
  const left = keyedRows(expected);
  const right = new Map<string, KeyedRow[]>();
  for (const row of keyedRows(actual)) {
    const key = row.keys.join("\u0000");
    right.set(key, [...(right.get(key) ?? []), row]);
  }
  const missing = left.filter(({ keys }) => right.get(keys.join("\u0000"))?.shift() === undefined);
  const unexpected = [...right.values()].flat();
  if (missing.length + unexpected.length === 0) return null;
  const pairs = pairUp(missing, unexpected);
  const paired = new Set(pairs.values());
  const rows = missing.map((row): DifferentRow => {
    const other = pairs.get(row);
    return other === undefined
      ? { kind: "missing", cells: row.values.map((value) => ({ value })) }
      : changed(row, other);
  });
  const extra = unexpected
    .filter((row) => !paired.has(row))
    .map((row): DifferentRow => ({ kind: "unexpected", cells: row.values.map((value) => ({ value })) }));
  return { columns: expected.columns, rows: [...rows, ...extra], same: left.length - missing.length };
}

function keyedRows({ rows, types }: Rows): KeyedRow[] {
  return rows.map((values) => ({
    values,
    keys: values.map((value, index) => keyOf(value, types[index] ?? "")),
  }));
}

/** What a double can tell apart: the rest is noise of the computation. */
const DOUBLE_DIGITS = 15;

function keyOf(value: Value, type: string): string {
  if (typeof value === "number" && /^(DOUBLE|FLOAT)$/.test(type))
    return String(Number(value.toPrecision(DOUBLE_DIGITS)));
  if (type === "JSON" && typeof value === "string") return JSON.stringify(sorted(JSON.parse(value)));
  return JSON.stringify(value);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}

function changed(expected: KeyedRow, actual: KeyedRow): DifferentRow {
  const cells = actual.values.map((value, index) =>
    expected.keys[index] === actual.keys[index]
      ? { value }
      : { value, expected: expected.values[index] ?? null },
  );
  return { kind: "changed", cells };
}

/** More pairs than these are not weighed one by one. */
const MAX_PAIRS = 200_000;

/** Rows that are meant to be the same one: those that share most, where rare values count for more. */
function pairUp(missing: readonly KeyedRow[], unexpected: readonly KeyedRow[]): Map<KeyedRow, KeyedRow> {
  const pairs = new Map<KeyedRow, KeyedRow>();
  const [lone, other] = [missing[0], unexpected[0]];
  if (lone !== undefined && other !== undefined && missing.length === 1 && unexpected.length === 1)
    return pairs.set(lone, other);
  if (missing.length * unexpected.length > MAX_PAIRS) return pairs;
  const counts = countValues([...missing, ...unexpected]);
  const weighed = missing.flatMap((row) =>
    unexpected.map((candidate) => ({ row, candidate, weight: weightOf(row, candidate, counts) })),
  );
  const used = new Set<KeyedRow>();
  for (const { row, candidate, weight } of weighed.sort((a, b) => b.weight - a.weight)) {
    if (weight === 0 || pairs.has(row) || used.has(candidate)) continue;
    pairs.set(row, candidate);
    used.add(candidate);
  }
  return pairs;
}

function countValues(rows: readonly KeyedRow[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { keys } of rows) {
    for (const [index, key] of keys.entries()) {
      const value = `${index} ${key}`;
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
  }
  return counts;
}

function weightOf(a: KeyedRow, b: KeyedRow, counts: ReadonlyMap<string, number>): number {
  return a.keys.reduce(
    (sum, key, index) => sum + (key === b.keys[index] ? 1 / (counts.get(`${index} ${key}`) ?? 1) : 0),
    0,
  );
}

/** How parts of a difference are marked on a terminal. */
export interface DifferencePaint {
  head(text: string): string;
  expected(text: string): string;
  actual(text: string): string;
}

const PLAIN: DifferencePaint = { head: String, expected: String, actual: String };
const MAX_ROWS = 10;
const MAX_CELL = 60;

/** The different rows as a table, changed cells as `expected → actual`. */
export function differenceText({ columns, rows, same }: Difference, paint: DifferencePaint = PLAIN): string {
  const shown = rows.slice(0, MAX_ROWS);
  const table = [["", ...columns.map(shorten)], ...shown.map(rowTexts)];
  const widths = table[0]?.map((_, index) => Math.max(...table.map((row) => row[index]?.length ?? 0))) ?? [];
  const paintCell = (text: string, row: number, column: number): string => {
    const kind = shown[row - 1]?.kind;
    if (row === 0) return paint.head(text);
    if (kind === "missing") return paint.expected(text);
    if (kind === "unexpected") return paint.actual(text);
    const isChanged = shown[row - 1]?.cells[column - 1]?.expected !== undefined;
    const [was = "", is = ""] = text.split(ARROW);
    return isChanged ? `${paint.expected(was)}${ARROW}${paint.actual(is)}` : text;
  };
  const lines = table.map((row, place) =>
    row
      .map(
        (text, index) => `${paintCell(text, place, index)}${" ".repeat((widths[index] ?? 0) - text.length)}`,
      )
      .join("   ")
      .trimEnd(),
  );
  const hidden = rows.length - shown.length;
  const more = hidden > 0 ? [`… ${hidden} more`] : [];
  const rest = same === 1 ? "1 row is as expected" : `${same} rows are as expected`;
  return [...lines, ...more, rest].map((line) => `  ${line}`.trimEnd()).join("\n");
}

const ARROW = " → ";

function rowTexts({ kind, cells }: DifferentRow): string[] {
  const texts = cells.map(({ value, expected }) =>
    expected === undefined ? cellText(value) : `${cellText(expected)}${ARROW}${cellText(value)}`,
  );
  return [kind, ...texts];
}

function cellText(value: Value): string {
  if (value === "") return "''";
  return shorten(typeof value === "object" && value !== null ? JSON.stringify(value) : String(value));
}

/** One line, without what a terminal would obey. */
function shorten(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "·").replaceAll(ARROW, " ⇒ ");
  return line.length > MAX_CELL ? `${line.slice(0, MAX_CELL - 1)}…` : line;
}
