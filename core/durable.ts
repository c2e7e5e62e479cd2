import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

/** What is in the file, or in the folder's list of names, is on the disk when this returns. */
export function syncPath(path: string): void {
  const handle = openSync(path, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Makes a folder, and those above it that are missing: their names are on the disk when this returns. */
export function makeFolder(folder: string, { mode = 0o777 } = {}): void {
  const first = mkdirSync(folder, { recursive: true, mode });
  if (first === undefined) return;
  const highest = dirname(resolve(first));
  for (let place = resolve(folder); place !== highest; place = dirname(place)) syncPath(dirname(place));
}

/** The name changes in one step, and stays changed when the power fails. The content has to be on the disk before. */
export function renameDurably(from: string, to: string): void {
  renameSync(from, to);
  syncPath(dirname(to));
}

/** Writes a file anew: whoever reads it, even after the power failed, finds the former content or this one. */
export function writeDurably(file: string, content: string | Uint8Array, { mode = 0o666 } = {}): void {
  const unfinished = `${file}.tmp`;
  writeFileSync(unfinished, content, { flush: true, mode });
  renameDurably(unfinished, file);
}
