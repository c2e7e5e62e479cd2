import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import type { FileStreamDefinition } from "../../core/sillon.ts";
import { resolveBaseUrl } from "../http/base-url.ts";
import { createClient } from "../http/client.ts";
import type { ReadJob } from "../reader.ts";
import { formatOf } from "./formats.ts";
import { type Handle, unpacked } from "./handle.ts";
import type { FileParts } from "./parts.ts";

export function isAddress(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/** The file behind an http(s) address, downloaded as a whole. Throws BASE_URL_INVALID (exit 2) before any request. */
export function remoteFiles(
  { ctx, source, settings, gateFor }: FileParts,
  stream: FileStreamDefinition,
): (job: ReadJob) => Promise<Handle[]> {
  const place = { env: "the stream's path", default: stream.path };
  const base = resolveBaseUrl(ctx, { name: source.name, baseUrl: place, streams: [] });
  const client = createClient({ ctx, settings, gate: gateFor(base), base });
  return async ({ traffic, signal }) => {
    const request = { url: base.url, source: source.name, stream: stream.name, page: 1, traffic, signal };
    const body = await client.read(request, (bytes) => bytes);
    // Parameters may be secrets.
    return [bodyHandle(`${base.url.origin}${base.url.pathname}`, body, stream)];
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
