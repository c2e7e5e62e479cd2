import type { AnswerHeaders } from "./raw-fetch.ts";

const DAY_NAME = /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s/i;

/**
 * The wait in ms that a Retry-After header asks for; undefined when it asks for none or cannot be read.
 * A date is taken relative to the answer's own Date, so that the two clocks need not agree.
 */
export function parseRetryAfter(headers: AnswerHeaders, now: Date): number | undefined {
  const value = headers.get("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return positive(Number(value) * 1000);
  const until = parseHttpDate(value);
  if (until === undefined) return undefined;
  return positive(until - (parseHttpDate(headers.get("date") ?? "") ?? now.getTime()));
}

function parseHttpDate(text: string): number | undefined {
  if (!DAY_NAME.test(text)) return undefined;
  // The asctime form names no zone and is GMT all the same.
  const time = Date.parse(/\b(GMT|UTC|[+-]\d{4})$/i.test(text) ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

function positive(ms: number): number | undefined {
  return ms > 0 && Number.isFinite(ms) ? Math.ceil(ms) : undefined;
}
