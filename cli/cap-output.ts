/** Lets a process that a job started print so many bytes on both outputs together, then says that more was cut. */
export function capOutput(
  { stdout, stderr }: Pick<NodeJS.Process, "stdout" | "stderr">,
  maxBytes: number,
): void {
  let left = maxBytes;
  for (const stream of [stdout, stderr]) {
    const write = stream.write.bind(stream);
    stream.write = (chunk: string | Uint8Array, ...rest: never[]): boolean => {
      const callback = rest.findLast((one) => typeof one === "function") as (() => void) | undefined;
      const wasOpen = left > 0;
      left -= Buffer.byteLength(chunk);
      if (left > 0) return write(chunk, ...rest);
      if (wasOpen) return write("\n[more was printed: see log_mb in schedule.yml]\n", () => callback?.());
      callback?.();
      return true;
    };
  }
}
