import { readSync } from "node:fs";

const CHUNK_BYTES = 4096;
const POLL_MS = 20;

/** The first line of standard input, or what there is when it ends before; waits until it is there. */
export function readFirstLine(): string {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = readChunk();
    chunks.push(chunk);
    if (chunk.length === 0 || chunk.includes("\n")) break;
  }
  return Buffer.concat(chunks).toString("utf8").split(/\r?\n/, 1)[0] ?? "";
}

/** Empty at the end. */
function readChunk(): Buffer {
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    try {
      return buffer.subarray(0, readSync(0, buffer));
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : undefined;
      if (code === "EOF") return buffer.subarray(0, 0);
      if (code !== "EAGAIN") throw error;
      // Whoever writes to the pipe has not done so yet.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
    }
  }
}
