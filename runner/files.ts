import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { EXIT, ProjectError } from "../core/errors.ts";

/** Files below `folders` of the project with one of the extensions: relative paths with forward slashes, sorted. */
export function listFiles(
  projectDir: string,
  folders: readonly string[],
  extensions: readonly string[],
): string[] {
  const files = folders
    .filter((folder) => existsSync(join(projectDir, folder)))
    .flatMap((folder) =>
      readdirSync(join(projectDir, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        `${folder}/${name}`.split(sep).join("/"),
      ),
    )
    .filter((file) => extensions.some((extension) => file.endsWith(extension)));
  return [...new Set(files)].sort();
}

/** The text of a project's file. Throws FILE_NOT_TEXT (exit 2) when it is not UTF-8. */
export function readProjectFile(projectDir: string, file: string): string {
  const bytes = readFileSync(join(projectDir, file));
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (!text.includes("\u0000")) return text;
  } catch {
    // Not UTF-8: the same mistake, from a user's side, as a NUL byte.
  }
  throw new ProjectError("FILE_NOT_TEXT", {
    message: "the file is not text in UTF-8",
    where: `${file}:1:1`,
    hint: "save it as UTF-8",
    exitCode: EXIT.usage,
  });
}
