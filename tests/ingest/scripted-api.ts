import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** One request for a page, to be answered in any way. */
export interface Visit {
  request: IncomingMessage;
  response: ServerResponse;
  stream: string;
  page: number;
  size: number;
  /** Which request for this page of this stream it is, from 1. */
  nth: number;
}

export interface ScriptedApi {
  url: string;
  /** `stream/page` of each request, in order. */
  requests: string[];
  stop(): Promise<void>;
}

/** An API on a free port that answers as the test says. */
export async function startScriptedApi(answer: (visit: Visit) => void): Promise<ScriptedApi> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1");
    const [stream, page] = [url.pathname.slice(1), Number(url.searchParams.get("page"))];
    requests.push(`${stream}/${page}`);
    const nth = requests.filter((other) => other === `${stream}/${page}`).length;
    answer({ request, response, stream, page, size: Number(url.searchParams.get("size")), nth });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, stop };
}

/** The page of `records` that was asked for; `changes` replace members of its envelope. */
export function sendPage(
  { response, page, size }: Visit,
  records: readonly string[],
  changes: Record<string, unknown> = {},
): void {
  const items = records.slice((page - 1) * size, page * size);
  const pages = Math.ceil(records.length / size);
  const listing = JSON.stringify({ total: records.length, page, size, pages, ...changes });
  sendBody(response, `{"items":[${items.join(",")}],${listing.slice(1)}`);
}

export function sendBody(response: ServerResponse, body: string | Buffer, status = 200): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

const TIMES = '"created_at":"2025-05-08T08:22:06.200535","updated_at":"2025-09-23T13:15:54"';

/** The text of a track; `changes` are pieces of JSON text by name. */
export function trackText(id: number | string, changes: Record<string, string> = {}): string {
  const members: Record<string, string> = {
    name: '"T"',
    artist: '"A"',
    songwriters: '"S"',
    duration: '"03:10"',
    genres: '"rock"',
    album: '"L"',
    created_at: '"2025-05-08T08:22:06.200535"',
    updated_at: '"2025-09-23T13:15:54"',
    ...changes,
  };
  const pieces = Object.entries(members).map(([name, text]) => `"${name}":${text}`);
  return `{"id":${id},${pieces.join(",")}}`;
}

export function trackTexts(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, index) => trackText(from + index));
}

export function listenText(user: string, items: string): string {
  return `{"user_id":${user},"items":${items},${TIMES}}`;
}
