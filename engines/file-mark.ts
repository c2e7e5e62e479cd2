import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";

/** DuckDB keeps two headers, of which each checkpoint writes one: a counter, and where the contents begin. */
const HEADER_STARTS = [4096, 8192];
const HEADER_BYTES = 64;

/**
 * What tells a database file from the same file after somebody wrote to it, or put another in its place. Null
 * without a file, and while a log beside it holds more than the file does. To be called only while this process
 * does not have the database open: closing a file ends the locks that a process has on it.
 */
export function fileMark(path: string): string | null {
  if (!existsSync(path) || existsSync(`${path}.wal`)) return null;
  const file = openSync(path, "r");
  try {
    const headers = HEADER_STARTS.map((start) => {
      const bytes = Buffer.alloc(HEADER_BYTES);
      readSync(file, bytes, 0, HEADER_BYTES, start);
      return bytes.toString("base64url");
    });
    return [...headers, timeMark(path)].join(" ");
  } finally {
    closeSync(file);
  }
}

/** Size and time of the last change of a file; may be asked while the database is open. */
export function timeMark(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.size} ${stat.mtimeNs}`;
}
