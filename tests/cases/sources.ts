import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Files } from "./folders.ts";

export interface LocalServer {
  url: string;
  port: number;
  stop(): Promise<void>;
}

/** A server of this process on a free loopback port. */
export async function startServer(
  answer: (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>,
): Promise<LocalServer> {
  const server = createServer((request, response) => {
    void answer(request, response, new URL(request.url ?? "/", "http://127.0.0.1"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A page of records with the numbers from 1 to `total` as ids. */
export function sendRecords(response: ServerResponse, url: URL, total: number): void {
  const [page, size] = ["page", "size"].map((name) => Number(url.searchParams.get(name)));
  const from = ((page ?? 1) - 1) * (size ?? 1);
  const count = Math.max(0, Math.min(size ?? 1, total - from));
  const items = Array.from({ length: count }, (_, index) => ({ id: from + index + 1 }));
  sendJson(response, 200, { items, total, page, size, pages: Math.ceil(total / (size ?? 1)) });
}

/** A page of records, their texts as they are. */
export function pageText(url: URL, texts: readonly string[]): string {
  const [page = 1, size = 1] = ["page", "size"].map((name) => Number(url.searchParams.get(name)));
  const items = texts.slice((page - 1) * size, page * size).join(",");
  const pages = Math.ceil(texts.length / size);
  return `{"items":[${items}],"total":${texts.length},"page":${page},"size":${size},"pages":${pages}}`;
}

export function sendTexts(response: ServerResponse, url: URL, texts: readonly string[]): void {
  response.writeHead(200, { "content-type": "application/json" }).end(pageText(url, texts));
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
}

/** The file of a source whose address is in API_URL; `authentication` is TypeScript. */
export function sourceFile(
  name: string,
  streams: readonly string[],
  { authentication = "", variable = "API_URL" }: { authentication?: string; variable?: string } = {},
): Files {
  const entries = streams.map(
    (stream) =>
      `{ name: "${stream}", path: "/${stream}", key: ["id"], record: z.looseObject({ id: z.number() }) }`,
  );
  const text = `import { defineSource } from "sillon";
import { z } from "zod";

export const source = defineSource({
  name: "${name}",
  baseUrl: { env: "${variable}" },
  pageSize: 10,
  ${authentication === "" ? "" : `authentication: ${authentication},`}
  streams: [${entries.join(", ")}],
});
`;
  return { [`ingest/sources/${name}.ts`]: text };
}
