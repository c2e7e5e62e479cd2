import type { RestStreamDefinition, Scalar } from "../../core/sillon.ts";
import { type BaseUrl, endpointUrl } from "../http/base-url.ts";
import { parsePlace, withValueAt } from "../records/places.ts";

/** A request that a form of paging adds its page to. */
export interface RestRequest {
  url: URL;
  method: "GET" | "POST";
  headers: Record<string, string>;
  /** Undefined when there is none. */
  body: unknown;
  /** Numbers in the body that JSON.stringify would round: their JSON texts by the marks that stand for them. */
  exact: Map<string, string>;
}

export interface RequestParts {
  base: BaseUrl;
  stream: RestStreamDefinition;
  /** Of the source. */
  headers: Readonly<Record<string, string>>;
  /** Further parameters, such as the bounds of an incremental load. */
  bounds: Readonly<Record<string, Scalar>>;
}

const ACCEPT = { json: "application/json", ndjson: "application/x-ndjson", csv: "text/csv" };

/** What all requests of a stream have in common. */
export function requestOf({ base, stream, headers, bounds }: RequestParts): RestRequest {
  const request: RestRequest = {
    url: endpointUrl(base, stream.path),
    method: stream.method ?? (stream.body === undefined ? "GET" : "POST"),
    headers: lowerCased(
      { accept: ACCEPT[stream.format ?? "json"] },
      stream.body === undefined ? {} : { "content-type": "application/json" },
      headers,
      stream.headers ?? {},
    ),
    body: stream.body,
    exact: new Map(),
  };
  for (const [name, value] of Object.entries({ ...stream.params, ...bounds }))
    request.url.searchParams.set(name, String(value));
  return request;
}

/** Of two headers of the same name the last counts. */
function lowerCased(...all: Readonly<Record<string, string>>[]): Record<string, string> {
  return Object.fromEntries(
    all.flatMap((headers) => Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
  );
}

/** A value as it is written in a query, and as JSON. */
export interface Written {
  text: string;
  json: string;
}

/** Puts a value into the query, or at a place in the body. */
export function setValue(
  request: RestRequest,
  { name, value, sendIn = "query" }: { name: string; value: Written; sendIn?: "query" | "body" | undefined },
): void {
  if (sendIn === "query") {
    request.url.searchParams.set(name, value.text);
    return;
  }
  const stand = `\u0000${request.exact.size}\u0000`;
  request.exact.set(JSON.stringify(stand), value.json);
  request.body = withValueAt(request.body, parsePlace(name), stand);
}

/** The body as JSON text; undefined when there is none. */
export function bodyText({ body, exact }: RestRequest): string | undefined {
  if (body === undefined) return undefined;
  let text = JSON.stringify(body);
  for (const [stand, json] of exact) text = text.replace(stand, () => json);
  return text;
}

/** A whole address; on the base address's own origin the parameters of that stay, such as a token. */
export function setAddress(request: RestRequest, address: URL, base: BaseUrl): void {
  const url = new URL(address);
  url.hash = "";
  const kept = url.origin === base.url.origin ? base.url.searchParams : [];
  for (const [name, value] of kept) if (!url.searchParams.has(name)) url.searchParams.set(name, value);
  request.url = url;
}
