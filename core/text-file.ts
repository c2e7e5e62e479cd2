import { isUtf8 } from "node:buffer";
import { closeSync, constants, openSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { EXIT, ProjectError } from "./errors.ts";

/**
 * The text of a project's file, without its byte order mark. Throws FILE_NOT_TEXT (exit 2) when it is not UTF-8, and
 * FILE_OUTSIDE (exit 2) when it lies elsewhere.
 */
export function readTextFile(projectDir: string, file: string): string {
  return createTextReader(projectDir)(file);
}

/** `readTextFile` for many files of a project: where their folders lie is looked up once each. */
export function createTextReader(projectDir: string): (file: string) => string {
  const inside = new Set<string>();
  return (file) => {
    const path = join(projectDir, file);
    const folder = dirname(path);
    const bytes = inside.has(folder) ? readUnlinked(path) : undefined;
    if (bytes !== undefined) return textOf(bytes, file);
    checkInside(projectDir, path, file);
    const text = textOf(readFileSync(path), file);
    if (isInside(projectDir, folder)) inside.add(folder);
    return text;
  };
}

/** The bytes of a file that is no link; undefined for links, and where the system cannot tell them apart. */
function readUnlinked(path: string): Buffer | undefined {
  if (constants.O_NOFOLLOW === undefined) return undefined;
  let opened: number;
  try {
    opened = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch {
    return undefined; // Whoever reads it by its path is told why.
  }
  try {
    return readFileSync(opened);
  } finally {
    closeSync(opened);
  }
}

function textOf(bytes: Buffer, file: string): string {
  const text = decode(bytes);
  if (text !== undefined && !text.includes("\u0000")) return text;
  throw new ProjectError("FILE_NOT_TEXT", {
    message: "the file is not text in UTF-8",
    where: `${file}:${firstWrongPlace(bytes)}`,
    hint: "save it as UTF-8",
    exitCode: EXIT.usage,
  });
}

/** A link may lead out of the project, and what it leads to would show up in messages and artifacts. */
function checkInside(projectDir: string, path: string, file: string): void {
  if (isInside(projectDir, path)) return;
  throw new ProjectError("FILE_OUTSIDE", {
    message: "the file is a link that leads out of the project",
    where: `${file}:1:1`,
    hint: "copy the file into the project",
    exitCode: EXIT.usage,
  });
}

function isInside(projectDir: string, path: string): boolean {
  const [folder, target] = [realpathSync.native(projectDir), realpathSync.native(path)];
  return target.startsWith(`${folder}${sep}`);
}

function decode(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
  return text.startsWith("\ufeff") ? text.slice(1) : text;
}

/** `line:column`. A line feed is never a part of another character in UTF-8. */
function firstWrongPlace(bytes: Buffer): string {
  let start = 0;
  for (let line = 1; start < bytes.length; line++) {
    const end = bytes.indexOf(10, start);
    const part = bytes.subarray(start, end < 0 ? bytes.length : end);
    const text = decode(part)?.replaceAll("\u0000", "\ufffd") ?? part.toString("utf8");
    const column = text.indexOf("\ufffd");
    if (column >= 0) return `${line}:${column + 1}`;
    start += part.length + 1;
  }
  return "1:1";
}
