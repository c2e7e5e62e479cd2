import { isUtf8 } from "node:buffer";
import { readFileSync, realpathSync } from "node:fs";
import { join, sep } from "node:path";
import { EXIT, ProjectError } from "./errors.ts";

/** The text of a project's file, without its byte order mark. Throws FILE_NOT_TEXT (exit 2) when it is not UTF-8. */
export function readTextFile(projectDir: string, file: string): string {
  const path = join(projectDir, file);
  checkInside(projectDir, path, file);
  const bytes = readFileSync(path);
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
  const [folder, target] = [realpathSync.native(projectDir), realpathSync.native(path)];
  if (target.startsWith(`${folder}${sep}`)) return;
  throw new ProjectError("FILE_OUTSIDE", {
    message: "the file is a link that leads out of the project",
    where: `${file}:1:1`,
    hint: "copy the file into the project",
    exitCode: EXIT.usage,
  });
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
