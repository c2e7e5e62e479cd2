const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?$/i;

/** An ISO time stamp as UTC text that sorts by time, nanoseconds kept; one without a zone is UTC already. */
export function comparableTime(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const [, date, minutes, seconds = "00", fraction = "", zone = "Z"] = ISO.exec(value) ?? [];
  if (date === undefined) return null;
  const nanoseconds = fraction.padEnd(9, "0");
  const text = `${date}T${minutes}:${seconds}`;
  if (zone.toUpperCase() === "Z") return `${text}.${nanoseconds}`;
  const offset = zone.includes(":") ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  const time = Date.parse(`${text}${offset}`);
  return Number.isNaN(time) ? null : `${new Date(time).toISOString().slice(0, 19)}.${nanoseconds}`;
}
