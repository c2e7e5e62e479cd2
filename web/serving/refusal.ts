import type { IncomingMessage, ServerResponse } from "node:http";
import { HEADERS, JSON_TYPE } from "../access.ts";

/** Why a request gets no answer, as it is sent. */
export interface Refusal {
  status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 415 | 422 | 429 | 431 | 500 | 503;
  code: string;
  /** The parameter, header or part of the body that is wrong. */
  field: string | null;
  message: string;
  hint: string;
  headers?: Record<string, string>;
}

const LONGEST_MESSAGE = 300;

export function refusalBody({ code, field, message, hint }: Refusal): string {
  return JSON.stringify({ error: { code, field, message: message.slice(0, LONGEST_MESSAGE), hint } });
}

/** On every answer. */
export const ALWAYS: Readonly<Record<string, string>> = { ...HEADERS, "Content-Type": JSON_TYPE };

export function refusalResponse(refusal: Refusal): Response {
  return new Response(refusalBody(refusal), {
    status: refusal.status,
    headers: { ...ALWAYS, ...refusal.headers },
  });
}

/** Answers before anything of a body is read. */
export function refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
  const body = refusalBody(refusal);
  // What is left of a body that nobody reads would be taken for the next request.
  if (request.method === "POST" || request.method === "DELETE") response.setHeader("Connection", "close");
  response.writeHead(refusal.status, {
    ...ALWAYS,
    ...refusal.headers,
    "Content-Length": Buffer.byteLength(body),
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
