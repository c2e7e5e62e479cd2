import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Files } from "./folders.ts";

export type FeedRecord = Record<string, unknown> & { id: number };

/** A service of lists, each in the order of its records; `since` leaves out what is before it. */
export interface FeedServer {
  url: string;
  lists: Map<string, FeedRecord[]>;
  /** For the time stamps of records. */
  clock: number;
  /** Records that it has sent. */
  sent: number;
  /** Answers a request instead of the list, when it returns true. */
  onRequest: (request: IncomingMessage, response: ServerResponse) => boolean;
  stop(): Promise<void>;
}

/** `isFrom` is the service's own notion of what `since` means. */
export async function startFeed(
  isFrom: (record: FeedRecord, since: string) => boolean = ({ at }, since) => String(at) >= since,
): Promise<FeedServer> {
  const feed: Omit<FeedServer, "stop"> = {
    url: "",
    lists: new Map(),
    clock: 0,
    sent: 0,
    onRequest: () => false,
  };
  const server = createServer((request, response) => {
    if (feed.onRequest(request, response)) return;
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    const since = searchParams.get("since");
    const all = feed.lists.get(pathname.slice(1)) ?? [];
    const list = since === null ? all : all.filter((record) => isFrom(record, since));
    const [page, size] = [Number(searchParams.get("page")), Number(searchParams.get("size"))];
    const items = list.slice((page - 1) * size, page * size);
    const pages = Math.ceil(list.length / size);
    feed.sent += items.length;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ items, total: list.length, page, size, pages }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  feed.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // a TCP server's address is an object
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return Object.assign(feed, { stop });
}

export const FEED_STREAMS = ["a", "b", "c"] as const;

/** A project that loads streams of the service; `more` are members of each stream's definition. */
export function feedProject(
  more: string,
  { pageSize, settings = "" }: { pageSize: number; settings?: string },
): Files {
  const streams = FEED_STREAMS.map(
    (name) =>
      `    { name: "${name}", path: "/${name}", key: ["id"], record: z.looseObject({ id: z.number() }), ${more} },`,
  );
  return {
    "project.yml": `name: shop\nschema_names: exact\ningest: {${settings}}\n`,
    "ingest/sources/feed.ts": `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({
  name: "feed", baseUrl: { env: "FEED_URL" }, pageSize: ${pageSize},
  streams: [
${streams.join("\n")}
  ],
});
`,
  };
}

/** A moment that sorts as text: the nth second of 2026. */
export function second(number: number): string {
  return new Date(Date.UTC(2026, 0, 1) + number * 1000).toISOString().replace(".000Z", "Z");
}
