import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { z } from "zod";
import type { Pagination, RestSourceDefinition, RestStreamDefinition } from "../../core/sillon.ts";

/** How a list server pages: each of them a form of paging that services have. */
export const FORMS = {
  page: { type: "page", parameter: "p", sizeParameter: "n", first: 0, total: "meta.count" },
  offset: { type: "offset" },
  /** The mark is a place in the list. */
  cursor: { type: "cursor", next: "meta.next", parameter: "after", total: "meta.count" },
  /** The mark is the last record's number, and older ones follow it. */
  keyset: { type: "cursor", next: "rows.-1.id", parameter: "before", more: "meta.more", total: "meta.count" },
  header: { type: "cursor", next: "x-next", in: "header", parameter: "after", total: { header: "x-total" } },
  post: { type: "cursor", next: "meta.next", parameter: "page.after", sendIn: "body", total: "meta.count" },
  link: { type: "link", total: { header: "x-total" } },
  next_url: { type: "next_url", next: "meta.url", total: "meta.count" },
  range: { type: "range" },
  single: { type: "single" },
} as const satisfies Record<string, Pagination>;

export type Form = keyof typeof FORMS;

export interface Asked {
  method: string;
  url: URL;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface ListServer {
  url: string;
  /** The texts of its records, the newest first; may be changed at any time. */
  list: string[];
  requests: Asked[];
  /** Called before each request is answered, with its number from 1 on. */
  onRequest: (nth: number) => void;
  /** Answers a request instead of the list, when it returns true. */
  answer: (asked: Asked, response: ServerResponse) => boolean;
  stop(): Promise<void>;
}

export interface ListOptions {
  form: Form;
  list: string[];
  /** The most records that it gives in an answer. */
  most?: number;
  /** Whether it announces the total. */
  isCounting?: boolean;
  /** The total that it announces, when it is not the true one. */
  announced?: number;
}

/** A list on a free port, paged in one form. */
export async function startListServer(options: ListOptions): Promise<ListServer> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const address = new URL(request.url ?? "/", lists.url);
    const asked = { method: request.method ?? "", url: address, headers: request.headers, body };
    lists.requests.push(asked);
    lists.onRequest(lists.requests.length);
    if (!lists.answer(asked, response)) sendRows(response, pageOf(lists.list, asked, options), options);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const lists: ListServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    list: options.list,
    requests: [],
    onRequest: () => {},
    answer: () => false,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return lists;
}

interface Rows {
  rows: string[];
  from: number;
  total: number;
  /** Of the next page; undefined at the end. */
  next: string | undefined;
  url: URL;
}

const PAGE = 10;

function pageOf(
  list: string[],
  { url, headers, body }: Asked,
  { form, most = 1000, announced }: ListOptions,
): Rows {
  const query = (name: string) => url.searchParams.get(name);
  let [from, size] = [0, PAGE];
  if (form === "page")
    [from, size] = [Number(query("p")) * Math.min(most, Number(query("n"))), Number(query("n"))];
  else if (form === "offset") [from, size] = [Number(query("offset")), Number(query("limit"))];
  else if (form === "keyset")
    from = query("before") === null ? 0 : firstBefore(list, Number(query("before")));
  else if (form === "post") from = Number(JSON.parse(body).page.after ?? 0);
  else if (form === "range") {
    const [first, last] = (headers.range?.split("=")[1] ?? "").split("-").map(Number);
    [from, size] = [first ?? 0, (last ?? 0) - (first ?? 0) + 1];
  } else if (form === "single") size = list.length;
  else from = Number(query("after") ?? 0);
  const rows = list.slice(from, from + Math.min(size, most));
  const to = from + rows.length;
  return {
    rows,
    from,
    total: announced ?? list.length,
    next: to < list.length ? String(to) : undefined,
    url,
  };
}

const firstBefore = (list: string[], id: number) => {
  const index = list.findIndex((record) => Number(JSON.parse(record).id) < id);
  return index < 0 ? list.length : index;
};

function sendRows(response: ServerResponse, page: Rows, { form, isCounting = true }: ListOptions): void {
  const { rows, from, total, next, url } = page;
  const count = isCounting ? { count: total } : {};
  const address = new URL(url);
  if (next !== undefined) address.searchParams.set("after", next);
  const path = next === undefined ? null : `${address.pathname}${address.search}`;
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (isCounting) headers["x-total"] = String(total);
  if (form === "header" && next !== undefined) headers["x-next"] = next;
  if (form === "link" && path !== null) headers.link = `<${path}>; rel="next", </tracks>; rel="first"`;
  if (form === "range") {
    const shown = isCounting ? total : "*";
    headers["content-range"] =
      rows.length > 0 ? `items ${from}-${from + rows.length - 1}/${shown}` : `items */${shown}`;
  }
  const meta = JSON.stringify({ ...count, next: next ?? null, more: next !== undefined, url: path });
  const usual = isCounting ? `"total":${total},` : "";
  const isBeyond = form === "range" && rows.length === 0;
  response.writeHead(isBeyond ? 416 : form === "range" ? 206 : 200, headers);
  response.end(isBeyond ? "" : `{${usual}"meta":${meta},"rows":[${rows.join(",")}]}`);
}

/** Records with falling numbers, the newest first. */
export function rowTexts(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => `{"id":${from + count - 1 - index}, "name":"T"}`);
}

/** A source with the stream `tracks` of a list server. */
export function listSource(form: Form, changes: Partial<RestStreamDefinition> = {}): RestSourceDefinition {
  const tracks: RestStreamDefinition = {
    name: "tracks",
    path: "/tracks",
    key: ["id"],
    record: z.looseObject({ id: z.number() }),
    records: "rows",
    pagination: FORMS[form],
    pageSize: PAGE,
    ...(form === "post" ? { body: { filter: { genre: "jazz" }, page: { size: PAGE } } } : {}),
    ...changes,
  };
  return { name: "moovitamix", baseUrl: { env: "MOOVITAMIX_URL" }, streams: [tracks] };
}
