import { comparableTime } from "../records/timestamp.ts";

/**
 * Below 0, 0 or above 0 as a value is before, at or after a bound; null when they cannot be compared. A bound that is
 * a number is compared with numbers and texts that are numbers; one that is a time with times, others as texts.
 */
export function compareValue(value: unknown, bound: number | string): number | null {
  if (typeof bound === "number") {
    const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    return typeof number === "number" && !Number.isNaN(number) ? compare(number, bound) : null;
  }
  if (typeof value !== "string") return null;
  const time = comparableTime(bound);
  if (time === null) return compare(value, bound);
  const other = comparableTime(value);
  return other === null ? null : compare(other, time);
}

function compare<T extends number | string>(one: T, other: T): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
