import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Files below `folders` of the project with one of the extensions: relative paths with forward slashes, sorted. */
export function listFiles(
  projectDir: string,
  folders: readonly string[],
  extensions: readonly string[],
): string[] {
  const files = folders
    .map((folder) => join(projectDir, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter(({ name }) => !name.startsWith(".") && extensions.some((extension) => name.endsWith(extension)))
    .map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }))
    .filter(({ entry, path }) => entry.isFile() || (entry.isSymbolicLink() && isFile(path)))
    .map(({ path }) => relative(projectDir, path).split(sep).join("/"));
  return [...new Set(files)].sort();
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
