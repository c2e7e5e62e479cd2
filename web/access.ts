import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";

/** Who may do what. Without tokens whoever reaches the loopback address may read. */
export interface Access {
  /** May read and change. */
  token: string | undefined;
  /** May read. */
  readToken: string | undefined;
  /** Whether only this machine can call: then the Host header has to name it, which stops rebound names. */
  isLoopback: boolean;
  now: () => Date;
}

/** On every answer, errors included. */
export const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
} as const;

export const JSON_TYPE = "application/json; charset=utf-8";

/** No reader has to guess the encoding. */
function withCharset({ headers }: Response): void {
  if (headers.get("content-type") === "application/json") headers.set("content-type", JSON_TYPE);
}

export const LOOPBACK_NAMES = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;
const METHODS = ["GET", "HEAD", "POST"];
const MAX_FAILURES = 10;
const MINUTE_MS = 60_000;

/** Refuses what is not allowed. Nothing behind it sees such a request. */
export function guard(access: Access): MiddlewareHandler {
  const failures: number[] = [];
  return async (context, next) => {
    for (const [name, value] of Object.entries(HEADERS)) context.header(name, value);
    const { req } = context;
    const refuse = (status: 400 | 401 | 403 | 405 | 415 | 429, message: string, hint: string) =>
      context.body(JSON.stringify({ error: { code: "REFUSED", message, hint } }), status, {
        "Content-Type": JSON_TYPE,
      });
    if (!METHODS.includes(req.method)) {
      context.header("Allow", METHODS.join(", "));
      return refuse(405, `${req.method} is not answered here`, "see /api/openapi.json");
    }
    if (access.isLoopback && !LOOPBACK_NAMES.test(req.header("host") ?? ""))
      return refuse(
        403,
        "the Host header does not name this machine",
        "call http://127.0.0.1 or http://localhost",
      );
    const given = /^Bearer (\S+)$/i.exec(req.header("authorization") ?? "")?.[1];
    const isPublic = req.path === "/health";
    const needsToken = access.token !== undefined || access.readToken !== undefined;
    const mayChange = given !== undefined && isSame(given, access.token);
    const mayRead = mayChange || (given !== undefined && isSame(given, access.readToken));
    if (needsToken && !isPublic && !mayRead) {
      const now = access.now().getTime();
      while (failures[0] !== undefined && now - failures[0] > MINUTE_MS) failures.shift();
      if (failures.length >= MAX_FAILURES) {
        context.header("Retry-After", "60");
        return refuse(429, "too many wrong tokens", "wait a minute");
      }
      if (given !== undefined) failures.push(now);
      context.header("WWW-Authenticate", "Bearer");
      return refuse(401, "a token is needed", "send Authorization: Bearer TOKEN");
    }
    if (req.method === "POST") {
      const type = req.header("content-type") ?? "";
      if (!/^application\/json(;|$)/i.test(type))
        return refuse(415, "a change is sent as application/json", "set Content-Type: application/json");
      if (!isSameOrigin(req.header("origin"), req.header("host"), req.header("sec-fetch-site")))
        return refuse(
          403,
          "the call comes from another site",
          "call from a page of this server, or without a browser",
        );
      const isProven = mayChange || (!needsToken && req.header("origin") !== undefined);
      if (!isProven)
        return refuse(
          403,
          needsToken ? "this token may only read" : "nothing proves where the call comes from",
          "use the token of SILLON_TOKEN; on this machine: run job trigger NAME",
        );
    }
    await next();
    withCharset(context.res);
  };
}

/** Whether a browser, if one sent it, sent it from a page of this server. */
export function isSameOrigin(
  origin: string | undefined,
  host: string | undefined,
  site: string | undefined,
): boolean {
  if (site !== undefined && site !== "same-origin" && site !== "none") return false;
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

/** Takes as long for a near miss as for a far one. */
export function isSame(given: string, token: string | undefined): boolean {
  if (token === undefined) return false;
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
