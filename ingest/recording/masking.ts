import { isUtf8 } from "node:buffer";
import type { IncomingHttpHeaders } from "node:http";
import type { Dispatcher } from "undici";
import { z } from "zod";
import type { Secrets } from "../../core/secrets.ts";
import type { Exchange, WireOwner } from "./tape.ts";

const MASK = "***";

/** Parameters by which addresses of stores are signed, and names that say what they hold. */
const SECRET_PARAMETER =
  /^(x-amz-|x-goog-|sig$|signature|api[-_]?key$|access[-_]?token$|password$|.*secret)/i;

/** Headers that say nothing of who asks; the values of all others are masked. */
const PLAIN_HEADERS = ["accept", "accept-encoding", "content-type", "range", "user-agent"];

/** An address as it is kept, and as it is looked up. */
export function maskAddress(secrets: Secrets, { secretParams }: WireOwner, address: URL): string {
  const url = new URL(address);
  url.username = "";
  url.password = "";
  for (const name of new Set(url.searchParams.keys()))
    if (secretParams.includes(name) || SECRET_PARAMETER.test(name)) url.searchParams.set(name, MASK);
  return secrets.mask(url.href);
}

/** A request as it is kept, and as it is looked up. */
export function maskRequest(
  secrets: Secrets,
  owner: WireOwner,
  { origin, path, method, headers, body }: Dispatcher.DispatchOptions,
): Exchange["request"] {
  return {
    method,
    url: maskAddress(secrets, owner, new URL(path, String(origin))),
    headers: Object.fromEntries(
      headerPairs(headers).map(([name, value]) => [name, PLAIN_HEADERS.includes(name) ? value : MASK]),
    ),
    body: maskBody(secrets, body),
  };
}

function headerPairs(headers: unknown): [string, string][] {
  const pairs: unknown[] = Array.isArray(headers) ? pairsOf(headers) : Object.entries(headers ?? {});
  return pairs.map((pair) => {
    const [name, value] = pair as [string, unknown]; // both forms are lists of two
    return [name.toLowerCase(), String(value)];
  });
}

/** A flat list of names and values, in turn. */
function pairsOf(list: readonly unknown[]): unknown[] {
  return list.every(Array.isArray)
    ? [...list]
    : list.flatMap((name, index) => (index % 2 === 0 ? [[String(name), list[index + 1]]] : []));
}

/** Members of a sign-in's form that are no secret. */
const PLAIN_FORM = ["grant_type", "scope"];

function maskBody(secrets: Secrets, body: unknown): string | null {
  if (body === null || body === undefined) return null;
  const text = Buffer.from(body as string | Uint8Array).toString("utf8"); // what sources send is never a stream
  if (text === "") return null;
  if (!isSignIn(text)) return secrets.mask(text);
  const form = new URLSearchParams(text);
  for (const name of new Set(form.keys())) if (!PLAIN_FORM.includes(name)) form.set(name, MASK);
  return form.toString();
}

export function isSignIn(body: string | null): boolean {
  return body !== null && /(^|&)grant_type=/.test(body);
}

const tokens = z.looseObject({
  access_token: z.string().optional().catch(undefined),
  refresh_token: z.string().optional().catch(undefined),
  id_token: z.string().optional().catch(undefined),
});

/** The tokens in the answer to a sign-in are secrets from now on. */
export function learnTokens(secrets: Secrets, body: Buffer): void {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch {
    return;
  }
  const { access_token, refresh_token, id_token } = tokens.safeParse(value).data ?? {};
  for (const token of [access_token, refresh_token, id_token]) if (token !== undefined) secrets.add(token);
}

const COOKIES = ["set-cookie", "set-cookie2"];

export function maskHeaders(
  secrets: Secrets,
  { owner, url, headers }: { owner: WireOwner; url: string; headers: IncomingHttpHeaders },
): Record<string, string | string[]> {
  const mask = (name: string, value: string) => {
    if (COOKIES.includes(name)) return MASK;
    const isAddress = name === "location" && URL.canParse(value, url);
    return isAddress ? maskAddress(secrets, owner, new URL(value, url)) : secrets.mask(value);
  };
  const kept: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    kept[name] = Array.isArray(value) ? value.map((one) => mask(name, one)) : mask(name, value);
  }
  return kept;
}

/** Bytes that are no text stay as they are. */
export function maskContent(secrets: Secrets, body: Buffer): Buffer {
  return isUtf8(body) ? Buffer.from(secrets.mask(body.toString("utf8")), "utf8") : body;
}
