const NEWLINE = 10;

/** Cuts a stream of bytes at ends of lines: each piece holds whole lines, the last one's end left out. */
export async function* wholeLines(
  chunks: AsyncIterable<Buffer>,
  limit: { bytes: number; exceeded(): Error },
): AsyncGenerator<Buffer> {
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end < 0) {
      open.push(chunk);
      openBytes += chunk.length;
    } else {
      const head = chunk.subarray(0, end);
      yield open.length === 0 ? head : Buffer.concat([...open, head]);
      open = [chunk.subarray(end + 1)];
      openBytes = chunk.length - end - 1;
    }
    if (openBytes > limit.bytes) throw limit.exceeded();
  }
  if (openBytes > 0) yield Buffer.concat(open);
}
