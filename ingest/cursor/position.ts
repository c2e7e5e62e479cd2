import type { CursorDefinition } from "../../core/sillon.ts";
import { comparableTime } from "../records/timestamp.ts";
import { decimalOrder, subtractDecimal } from "./decimal.ts";

/** A value of a cursor: as it stood in its record, and as a text that sorts as the values do. Nothing is rounded. */
export interface Position {
  text: string;
  order: string;
}

/** Null when the text is no value of this cursor. */
export function positionOf(cursor: CursorDefinition, text: string): Position | null {
  if (cursor.type === "text") return { text, order: text };
  const order = isNumeric(cursor) ? decimalOrder(text) : timeOrder(text);
  return order === null ? null : { text, order };
}

function isNumeric({ type, unit }: CursorDefinition): boolean {
  return type === "number" || unit !== undefined;
}

function timeOrder(text: string): string | null {
  const order = comparableTime(text);
  return order === null || Number.isNaN(secondsOf(order)) ? null : order;
}

function secondsOf(order: string): number {
  return Date.parse(`${order.slice(0, 19)}Z`) / 1000;
}

/** The value of a moment; null of a cursor that holds no times. */
export function positionAt(cursor: CursorDefinition, moment: Date): Position | null {
  if ((cursor.type ?? "time") !== "time") return null;
  const ms = moment.getTime();
  if (cursor.unit === undefined) return positionOf(cursor, moment.toISOString());
  return positionOf(cursor, String(cursor.unit === "ms" ? ms : ms / 1000));
}

/** How a time is written: with `Z`, with an offset, without a zone. Empty when there is but one way. */
export function notationOf(cursor: CursorDefinition, { text }: Position): string {
  if (cursor.type === "text" || isNumeric(cursor)) return "";
  if (/z$/i.test(text)) return "Z";
  return /[T ].*[+-][\d:]+$/.test(text) ? "an offset" : "no zone";
}

/** What values of this cursor look like, for messages. */
export function cursorForm(cursor: CursorDefinition): string {
  if (cursor.type === "text") return "a text";
  if (cursor.type === "number") return "a number";
  if (cursor.unit === undefined) return "a time such as 2026-01-31T12:00:00Z";
  return `${cursor.unit === "s" ? "seconds" : "milliseconds"} since 1970`;
}

export function earlier(one: Position, other: Position | null): Position {
  return other !== null && other.order < one.order ? other : one;
}

export function later(one: Position | null, other: Position | null): Position | null {
  if (one === null || other === null) return one ?? other;
  return other.order > one.order ? other : one;
}

/** So much before a value, `lookBack` of the definition; written as the value is, in UTC when it has a zone. */
export function before(cursor: CursorDefinition, position: Position): Position {
  const { lookBack = 0 } = cursor;
  if (lookBack === 0 || cursor.type === "text") return position;
  const text = isNumeric(cursor)
    ? subtractDecimal(position.text, cursor.unit === "ms" ? lookBack * 1000 : lookBack)
    : timeBefore(position, Math.ceil(lookBack));
  return positionOf(cursor, text) ?? position;
}

function timeBefore({ text, order }: Position, seconds: number): string {
  const whole = new Date((secondsOf(order) - seconds) * 1000).toISOString().slice(0, 19);
  const fraction = order.slice(20).replace(/0+$/, "");
  const zone = /(?:z|[T ].*[+-][\d:]+)$/i.test(text) ? "Z" : "";
  const written = `${whole}${fraction === "" ? "" : `.${fraction}`}${zone}`;
  return text.charAt(10) === " " ? written.replace("T", " ") : written;
}
