import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import type { Context } from "../../core/context.ts";
import { messageOf } from "../../core/errors.ts";
import { fileChanging, fileUnreadable } from "./errors.ts";
import { type LocalFile, localFile } from "./find-files.ts";
import type { FileContent } from "./parts.ts";

/** A file that may have to be read. */
export interface Handle {
  name: string;
  size: number;
  /** Nanoseconds since 1970; "0" when it is not known. */
  modified: string;
  /** Of the bytes as they lie there. */
  hash(): Promise<string>;
  content(maxBytes: number): FileContent;
  /** Throws FILE_CHANGING. */
  checkUnchanged(): void;
  /** Takes away what was made to read it. */
  release(): void;
}

export function localHandle(ctx: Context, file: LocalFile): Handle {
  const { name, path, size, modified } = file;
  return {
    name,
    size,
    modified,
    hash: async () => {
      const digest = createHash("sha256");
      for await (const chunk of createReadStream(path)) digest.update(chunk);
      return digest.digest("hex");
    },
    content: (maxBytes) => ({ name, path, maxBytes, bytes: unpacked(name, createReadStream(path)) }),
    checkUnchanged: () => {
      const now = localFile(ctx, path);
      if (now.size !== size || now.modified !== modified) throw fileChanging(name);
    },
    release: () => {},
  };
}

/** Bytes of a file named `.gz` without their packing. Throws FILE_UNREADABLE when it is cut or damaged. */
export async function* unpacked(name: string, packed: NodeJS.ReadableStream): AsyncGenerator<Buffer> {
  const isPacked = /\.gz$/i.test(name);
  const bytes = isPacked ? pipeline(packed, createGunzip(), () => {}) : packed;
  try {
    for await (const chunk of bytes) yield typeof chunk === "string" ? Buffer.from(chunk) : chunk;
  } catch (error) {
    if (!isPacked) throw error;
    throw fileUnreadable(name, `it cannot be unpacked: ${messageOf(error)}`, error);
  }
}
