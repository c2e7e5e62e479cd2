import { randomUUID } from "node:crypto";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../../core/durable.ts";

/** Keeps bodies out of memory until they are asked for, if ever. */
export interface Spool<T> {
  /** Resolves when more can be taken: with false when there is no room on the disk. Nothing is lost by that. */
  add(about: T, body: Buffer): Promise<boolean>;
  /** All that was added. */
  all(): AsyncIterable<{ about: T; body: Buffer }>;
  close(): Promise<void>;
}

const MEMORY_BYTES = 8_000_000;

/** What is more than a few megabytes goes into a file of the owner's alone, which has no name once it is open. */
export function createSpool<T>(folder: string): Spool<T> {
  let waiting: { about: T; body: Buffer }[] = [];
  let waitingBytes = 0;
  const written: { about: T; position: number; length: number }[] = [];
  let end = 0;
  let file: FileHandle | undefined;
  let writing: Promise<boolean> = Promise.resolve(true);
  const write = async (chunk: typeof waiting): Promise<boolean> => {
    try {
      file ??= await openUnnamed(folder);
      let position = end;
      const bytes = Buffer.concat(chunk.map(({ body }) => body));
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, end);
      if (bytesWritten < bytes.length) throw new Error("the disk took a part only");
      end += bytes.length;
      for (const { about, body } of chunk) {
        written.push({ about, position, length: body.length });
        position += body.length;
      }
      return true;
    } catch {
      waiting.push(...chunk);
      return false;
    }
  };
  return {
    add: (about, body) => {
      waiting.push({ about, body });
      waitingBytes += body.length;
      if (waitingBytes < MEMORY_BYTES) return Promise.resolve(true);
      const chunk = waiting;
      waiting = [];
      waitingBytes = 0;
      writing = writing.then(() => write(chunk));
      return writing;
    },
    all: async function* () {
      await writing;
      for (const { about, position, length } of written) {
        const body = Buffer.alloc(length);
        await file?.read(body, 0, length, position);
        yield { about, body };
      }
      yield* waiting;
    },
    close: async () => {
      await writing;
      await file?.close();
    },
  };
}

async function openUnnamed(folder: string): Promise<FileHandle> {
  makeFolder(folder);
  const path = join(folder, `.pages-${randomUUID()}`);
  const file = await open(path, "wx+", 0o600);
  await rm(path);
  return file;
}
