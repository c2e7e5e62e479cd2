import { STATUS_CODES } from "node:http";
import type { Answer } from "./exchange.ts";
import { AttemptFailure, type FailureDetails } from "./failure.ts";
import { parseRetryAfter } from "./retry-after.ts";

const EXCERPT_LENGTH = 80;

/** Throws AttemptFailure unless the answer is one that can hold a page. */
export function checkStatus(answer: Answer, now: Date): void {
  const { status } = answer;
  if (status === 200 || (status > 200 && status < 300 && status !== 204 && status !== 205)) return;
  const name = STATUS_CODES[status] ?? "";
  throw new AttemptFailure(`the server answered ${status} ${name}`.trimEnd(), {
    ...kindOf(status),
    retryAfterMs: parseRetryAfter(answer.headers, now),
    detail:
      answer.body.length > 0 ? `the answer begins: ${excerpt(answer.body.toString("utf8"))}` : undefined,
  });
}

function kindOf(status: number): FailureDetails {
  if (status === 429) return { code: "API_RATE_LIMITED", isRetryable: true, isRateLimit: true };
  if (status >= 500 || status === 408) return { code: "API_FAILING", isRetryable: true };
  if (status === 204 || status === 205) return { code: "API_BODY_MALFORMED", isRetryable: true };
  const code = { 401: "API_UNAUTHORIZED", 403: "API_FORBIDDEN", 404: "API_NOT_FOUND" }[status];
  return { code: code ?? "API_REFUSED", isRetryable: false };
}

/** A piece of foreign text on one line, quoted. */
export function excerpt(text: string, start = 0): string {
  const piece = text.slice(start, start + EXCERPT_LENGTH + 1).replace(/[\p{C}\s]+/gu, " ");
  return JSON.stringify(piece.length > EXCERPT_LENGTH ? `${piece.slice(0, EXCERPT_LENGTH - 1)}…` : piece);
}
