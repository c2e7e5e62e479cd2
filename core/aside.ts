import { constants, copyFileSync, existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** What is larger is left where it is, alone: a copy could fill the disk. */
const LARGEST_BYTES = 1_073_741_824;

/**
 * Copies a damaged file beside itself, once for each state of it, and says so in a line for people. The file stays as
 * it is. Empty when there is nothing to copy.
 */
export function copyAside(file: string): string[] {
  try {
    if (!existsSync(file)) return [];
    const { size, mtimeMs, isFile } = describe(file);
    if (!isFile || size === 0) return [];
    const copy = `${file}.damaged-${Math.floor(mtimeMs / 1000)}-${size}`;
    if (existsSync(copy)) return [`a copy of it is ${copy}`];
    if (size > Math.min(LARGEST_BYTES, freeBytes(file) / 2))
      return ["it is too large to be copied: nothing was"];
    copyFileSync(file, copy, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    return [`a copy of it is ${copy}`];
  } catch (error) {
    return [`it could not be copied: ${error instanceof Error ? error.message : String(error)}`];
  }
}

function describe(file: string): { size: number; mtimeMs: number; isFile: boolean } {
  const found = statSync(file);
  return { size: found.size, mtimeMs: found.mtimeMs, isFile: found.isFile() };
}

/** What the disk of a file, or of the nearest folder above it that exists, has left for this user. */
export function freeBytes(file: string): number {
  let place = file;
  while (!existsSync(place) && dirname(place) !== place) place = dirname(place);
  const { bavail, bsize } = statfsSync(place);
  return bavail * bsize;
}

/** A line for people; empty when the disk is not known. */
export function freeSpace(file: string | undefined): string[] {
  try {
    return file === undefined ? [] : [`${freeBytes(file)} bytes are free there`];
  } catch {
    return [];
  }
}
