/**
 * A row as JSON text. Whole numbers have all their digits; a real number has a point or an exponent, and the shortest
 * text that gives it back; infinite ones are the texts "Infinity" and "-Infinity"; bytes are a text "\x0102".
 */
export function rowText(columns: readonly string[], row: readonly unknown[]): string {
  const members = columns.map((name, index) => `${JSON.stringify(name)}:${valueText(row[index])}`);
  return `{${members.join(",")}}`;
}

function valueText(value: unknown): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return realText(value);
  if (Buffer.isBuffer(value)) return JSON.stringify(`\\x${value.toString("hex")}`);
  return JSON.stringify(String(value));
}

function realText(value: number): string {
  if (!Number.isFinite(value)) return JSON.stringify(String(value));
  if (Object.is(value, -0)) return "-0.0";
  const text = String(value);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}
