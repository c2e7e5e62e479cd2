import type { IncomingMessage } from "node:http";
import { isSame, isSameOrigin, LOOPBACK_NAMES } from "../access.ts";
import { MAX_BODY_BYTES, tooLarge } from "./app.ts";
import type { Refusal } from "./refusal.ts";

/** Who may call, and how often. Without tokens whoever reaches the loopback address may do everything. */
export interface ServingAccess {
  /** May read and change. */
  token: string | undefined;
  /** May read. */
  readToken: string | undefined;
  isLoopback: boolean;
  /** Of one caller; 0 is no limit. */
  requestsPerSecond: number;
  now: () => number;
}

const METHODS = ["GET", "HEAD", "POST", "DELETE"];
const MAX_FAILURES = 10;
const MINUTE_MS = 60_000;
const MAX_CALLERS = 10_000;
const HINT = "see /v1/docs";

/** A way to ask why a request is not let in; undefined lets it in. Nothing of its body is read before. */
export function createAdmission(access: ServingAccess): (request: IncomingMessage) => Refusal | undefined {
  const failures: number[] = [];
  const limit = createLimit(access);
  return (request) =>
    wrongForm(request, access) ??
    wrongToken(request, access, failures) ??
    limit(request) ??
    (request.method === "POST" || request.method === "DELETE" ? wrongChange(request) : undefined);
}

function wrongForm(
  { method = "", headers, url = "" }: IncomingMessage,
  { isLoopback }: ServingAccess,
): Refusal | undefined {
  if (!METHODS.includes(method))
    return {
      ...{
        status: 405,
        code: "METHOD_UNKNOWN",
        field: "method",
        message: "this method is not answered here",
      },
      ...{ hint: HINT, headers: { Allow: METHODS.join(", ") } },
    };
  const { host } = headers;
  if (host === undefined || !/^[\w.:[\]-]+$/.test(host) || !url.startsWith("/"))
    return {
      ...{ status: 400, code: "REQUEST_INVALID", field: "host" },
      ...{ message: "the Host header or the path is none", hint: HINT },
    };
  if (isLoopback && !LOOPBACK_NAMES.test(host))
    return {
      ...{ status: 403, code: "HOST_REFUSED", field: "host" },
      ...{
        message: "the Host header does not name this machine",
        hint: "call http://127.0.0.1 or http://localhost",
      },
    };
  return undefined;
}

function wrongToken(
  request: IncomingMessage,
  access: ServingAccess,
  failures: number[],
): Refusal | undefined {
  const { token, readToken, now } = access;
  if ((token === undefined && readToken === undefined) || request.url === "/v1/health") return undefined;
  const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const mayChange = given !== undefined && isSame(given, token);
  if (mayChange) return undefined;
  if (given !== undefined && isSame(given, readToken)) {
    if (request.method === "GET" || request.method === "HEAD") return undefined;
    return {
      ...{ status: 403, code: "TOKEN_READS", field: "authorization" },
      ...{ message: "this token may only read", hint: "use the token of SILLON_TOKEN" },
    };
  }
  while (failures[0] !== undefined && now() - failures[0] > MINUTE_MS) failures.shift();
  if (failures.length >= MAX_FAILURES)
    return {
      ...{ status: 429, code: "TOO_MANY_TOKENS", field: "authorization", message: "too many wrong tokens" },
      ...{ hint: "wait a minute", headers: { "Retry-After": "60" } },
    };
  if (given !== undefined) failures.push(now());
  return {
    ...{ status: 401, code: "TOKEN_NEEDED", field: "authorization", message: "a token is needed" },
    ...{ hint: "send Authorization: Bearer TOKEN", headers: { "WWW-Authenticate": "Bearer" } },
  };
}

/** A page of another site can make a browser send some requests, but none that is let through here. */
function wrongChange({ method, headers }: IncomingMessage): Refusal | undefined {
  const site = headers["sec-fetch-site"];
  if (!isSameOrigin(headers.origin, headers.host, Array.isArray(site) ? site[0] : site))
    return {
      ...{
        status: 403,
        code: "ORIGIN_REFUSED",
        field: "origin",
        message: "the call comes from another site",
      },
      hint: "call from a server, or from a page of this one",
    };
  if (method === "DELETE") return undefined;
  if (!/^application\/json *(;|$)/i.test(headers["content-type"] ?? ""))
    return {
      ...{ status: 415, code: "TYPE_UNKNOWN", field: "content-type" },
      ...{ message: "a body is sent as application/json", hint: "set Content-Type: application/json" },
    };
  if (headers["content-encoding"] !== undefined && headers["content-encoding"] !== "identity")
    return {
      ...{ status: 415, code: "ENCODING_UNKNOWN", field: "content-encoding" },
      ...{ message: "a body is sent as it is, not compressed", hint: "leave Content-Encoding out" },
    };
  return Number(headers["content-length"] ?? 0) > MAX_BODY_BYTES ? tooLarge() : undefined;
}

/** A bucket for each caller, which fills up with time and holds two seconds' worth. */
function createLimit({
  requestsPerSecond: rate,
  now,
}: ServingAccess): (request: IncomingMessage) => Refusal | undefined {
  if (rate === 0) return () => undefined;
  let callers = new Map<string, { left: number; at: number }>();
  const most = Math.max(1, 2 * rate);
  return ({ headers, socket }) => {
    const caller = headers.authorization ?? socket.remoteAddress ?? "";
    const at = now();
    if (callers.size > MAX_CALLERS) callers = new Map();
    const bucket = callers.get(caller) ?? { left: most, at };
    callers.set(caller, bucket);
    bucket.left = Math.min(most, bucket.left + ((at - bucket.at) / 1000) * rate);
    bucket.at = at;
    if (bucket.left >= 1) {
      bucket.left--;
      return undefined;
    }
    return {
      ...{
        status: 429,
        code: "TOO_MANY_REQUESTS",
        field: null,
        message: `more than ${rate} requests a second`,
      },
      ...{ hint: "send fewer", headers: { "Retry-After": String(Math.ceil((1 - bucket.left) / rate)) } },
    };
  };
}
