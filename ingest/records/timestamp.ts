const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/i;

/** In UTC, to the second. */
const PLAIN = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/;

/** An ISO time stamp as UTC text that sorts by time, every digit kept; one without a zone is UTC already. */
export function comparableTime(value: unknown): string | null {
  if (typeof value !== "string") return null;
  if (PLAIN.test(value)) return `${value}.000000000`;
  const [, date, minutes = "00:00", seconds = "00", fraction = "", zone = "Z"] = ISO.exec(value) ?? [];
  if (date === undefined) return null;
  const digits = fraction.replace(/0+$/, "").padEnd(9, "0");
  const text = `${date}T${minutes}:${seconds}`;
  if (zone.toUpperCase() === "Z") return `${text}.${digits}`;
  const offset = zone.length === 3 ? `${zone}:00` : zone.replace(/^(...)(\d\d)$/, "$1:$2");
  const time = Date.parse(`${text}${offset}`);
  return Number.isNaN(time) ? null : `${new Date(time).toISOString().slice(0, 19)}.${digits}`;
}
