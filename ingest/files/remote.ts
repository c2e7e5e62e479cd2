import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import type { FileStreamDefinition } from "../../core/sillon.ts";
import { openAccess } from "../http/access.ts";
import { resolveBaseUrl } from "../http/base-url.ts";
import { createClient } from "../http/client.ts";
import type { ReadJob } from "../reader.ts";
import { formatOf } from "./formats.ts";
import { type Handle, unpacked } from "./handle.ts";
import type { FileParts } from "./parts.ts";

export function isAddress(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** What is behind one http(s) address. */
export interface RemoteFile {
  /** Downloads it as a whole. */
  find(job: ReadJob): Promise<Handle[]>;
  close(): Promise<void>;
}

/** Requests follow the same rules as those to APIs. Throws BASE_URL_INVALID (exit 2) before any request. */
export function openRemoteFile(
  { ctx, source, settings, gateFor, tape }: FileParts,
  stream: FileStreamDefinition,
): RemoteFile {
  const place = { env: "the stream's path", default: stream.path };
  const base = resolveBaseUrl(ctx, { name: source.name, baseUrl: place, streams: [] });
  const access = openAccess(ctx, { source: { name: source.name }, base, settings, tape });
  const client = createClient({ ctx, settings, gate: gateFor(base), base, ...access });
  const request = { url: base.url, method: "GET", headers: {}, body: undefined, accepted: [] } as const;
  const names = { source: source.name, stream: stream.name, parent: undefined, page: 1 };
  return {
    find: async ({ traffic, signal }) => {
      const body = await client.read({ ...request, ...names, traffic, signal }, (answer) => answer.body);
      // Parameters may be secrets.
      return [bodyHandle(`${base.url.origin}${base.url.pathname}`, body, stream)];
    },
    close: () => access.dispatcher.destroy(),
  };
}

function bodyHandle(name: string, body: Buffer, stream: FileStreamDefinition): Handle {
  let folder: string | undefined;
  return {
    name,
    size: body.length,
    modified: "0",
    hash: async () => createHash("sha256").update(body).digest("hex"),
    content: (maxBytes) => {
      const isParquet = formatOf(stream, name) === "parquet";
      folder = isParquet ? mkdtempSync(join(tmpdir(), "sillon-")) : undefined;
      const path = folder === undefined ? "" : join(folder, basename(name));
      if (folder !== undefined) writeFileSync(path, body);
      return { name, path, maxBytes, bytes: unpacked(name, Readable.from([body])) };
    },
    checkUnchanged: () => {},
    release: () => {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
