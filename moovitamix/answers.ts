import { STATUS_CODES } from "node:http";
import { DOCS_PAGE, describeApi } from "./openapi.ts";
import { STREAMS, type StreamName } from "./world/records.ts";

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: Buffer;
}

/** A call for a page of a stream that the service accepts. */
export interface PageRequest {
  stream: StreamName;
  page: number;
  size: number;
}

export interface Page {
  items: unknown[];
  total: number;
  page: number;
  size: number;
  pages: number;
}

export interface Call {
  method: string;
  path: string;
  query: string;
  host: string;
}

interface Problem {
  type: string;
  loc: string[];
  msg: string;
  input: string;
  ctx?: Record<string, number>;
}

const MAX_SIZE = 100;
// As pydantic reads a whole number: a sign, single underscores between digits and a zero fraction are fine.
const WHOLE_NUMBER = /^\s*([+-]?\d+(?:_\d+)*)(?:\.0+)?\s*$/;

/** What a call gets: a page to be looked up, or an answer that needs no records. */
export function routeCall(call: Call): PageRequest | Answer {
  const stream = STREAMS.find((name) => call.path === `/${name}`);
  const isDocument = call.path === "/docs" || call.path === "/openapi.json";
  if (!stream && !isDocument && call.path !== "/") return answerUnknownPath(call);
  const methods = isDocument ? ["GET", "HEAD"] : ["GET"];
  if (!methods.includes(call.method)) {
    return answerJson(405, { detail: STATUS_CODES[405] }, { allow: methods.join(", ") });
  }
  if (stream) return readPageRequest(stream, call.query);
  if (call.path === "/docs") return answerText(200, "text/html; charset=utf-8", DOCS_PAGE);
  return call.path === "/" ? answerRedirect("/docs") : answerJson(200, describeApi());
}

/** Past the end there are no items, and the counts stay true. */
export function cutPage(records: readonly unknown[], { page, size }: { page: number; size: number }): Page {
  const from = (page - 1) * size;
  const pages = Math.ceil(records.length / size);
  return { items: records.slice(from, from + size), total: records.length, page, size, pages };
}

export function answerJson(status: number, content: unknown, headers: Record<string, string> = {}): Answer {
  return answerText(status, "application/json", JSON.stringify(content), headers);
}

export function answerText(
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): Answer {
  const body = Buffer.from(text);
  return {
    status,
    headers: { ...headers, "content-length": String(body.length), "content-type": type },
    body,
  };
}

function answerRedirect(location: string): Answer {
  return { status: 307, headers: { "content-length": "0", location }, body: Buffer.alloc(0) };
}

function answerUnknownPath(call: Call): Answer {
  const path = call.path.replace(/\/$/, "");
  const isKnown = ["/docs", "/openapi.json", ...STREAMS.map((name) => `/${name}`)].includes(path);
  if (!isKnown) return answerJson(404, { detail: STATUS_CODES[404] });
  return answerRedirect(`http://${call.host}${path}${call.query && `?${call.query}`}`);
}

function readPageRequest(stream: StreamName, query: string): PageRequest | Answer {
  const parameters = new URLSearchParams(query);
  const page = readNumber("page", parameters.getAll("page").at(-1) ?? "1", Number.POSITIVE_INFINITY);
  const size = readNumber("size", parameters.getAll("size").at(-1) ?? String(MAX_SIZE), MAX_SIZE);
  if (typeof page === "number" && typeof size === "number") return { stream, page, size };
  return answerJson(422, { detail: [page, size].filter((value) => typeof value === "object") });
}

function readNumber(name: string, input: string, max: number): number | Problem {
  const loc = ["query", name];
  const digits = WHOLE_NUMBER.exec(input)?.[1];
  if (digits === undefined) {
    const msg = "Input should be a valid integer, unable to parse string as an integer";
    return { type: "int_parsing", loc, msg, input };
  }
  const value = Number(digits.replaceAll("_", ""));
  if (value < 1) {
    const msg = "Input should be greater than or equal to 1";
    return { type: "greater_than_equal", loc, msg, input, ctx: { ge: 1 } };
  }
  if (value <= max) return value;
  const msg = `Input should be less than or equal to ${max}`;
  return { type: "less_than_equal", loc, msg, input, ctx: { le: max } };
}
