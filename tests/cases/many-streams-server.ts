import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface BulkServer {
  url: string;
  stop(): Promise<void>;
}

export interface BulkOptions {
  pageSize: number;
  /** Of each list. */
  records: number;
  recordBytes: number;
  /** Every so manyth request is answered with 503; none when left out. */
  failEvery?: number;
}

/** Any path is a list of records that differ in their id; `/one-page` is a single page of so many bytes as `bytes` says. */
export async function startBulk({
  pageSize,
  records,
  recordBytes,
  failEvery = 0,
}: BulkOptions): Promise<BulkServer> {
  const filler = "x".repeat(Math.max(0, recordBytes - 30));
  const bodies = new Map<number, string>();
  const bodyOf = (page: number) => {
    const from = (page - 1) * pageSize;
    const count = Math.max(0, Math.min(pageSize, records - from));
    const items = Array.from({ length: count }, (_, index) => `{"id":${from + index},"text":"${filler}"}`);
    return `{"items":[${items.join(",")}],"total":${records},"page":${page},"size":${pageSize}}`;
  };
  let requests = 0;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    requests += 1;
    if (failEvery > 0 && requests % failEvery === 0) {
      response.writeHead(503).end();
      return;
    }
    if (pathname === "/one-page") {
      const bytes = Number(searchParams.get("bytes"));
      response.writeHead(200, { "content-type": "application/json" });
      response.write('{"items":[{"id":1,"text":"');
      const piece = "x".repeat(1_000_000);
      let sent = 0;
      const more = () => {
        while (sent < bytes && !response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) return void response.once("drain", more);
        }
        response.end('"}],"total":1}');
      };
      more();
      return;
    }
    const page = Number(searchParams.get("page"));
    const known = bodies.get(page) ?? bodyOf(page);
    // A page of some MB is made anew each time.
    if (known.length < 1_000_000) bodies.set(page, known);
    response.writeHead(200, { "content-type": "application/json" }).end(known);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const stop = () =>
    new Promise<void>((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

/** A project with a source of such streams. */
export function bulkProject(streams: string, settings = ""): Record<string, string> {
  const source = `import { defineSource } from "sillon";
import { z } from "zod";
const common = { key: ["id"], record: z.looseObject({ id: z.number(), text: z.string() }), pagination: { type: "page" as const } };
export const source = defineSource({ name: "bulk", baseUrl: { env: "BULK_URL" }, streams: ${streams} });
`;
  return {
    "project.yml": `name: bulk\ningest:\n  backoff_seconds: 0.01\n${settings}`,
    "profiles.yml":
      "bulk:\n  target: dev\n  outputs:\n    dev: { type: duckdb, path: data/warehouse.duckdb }\n",
    "ingest/sources/bulk.ts": source,
  };
}
