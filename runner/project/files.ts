import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Files below `folders` of the project with one of the extensions: relative paths with forward slashes, sorted. */
export function listFiles(
  projectDir: string,
  folders: readonly string[],
  extensions: readonly string[],
): string[] {
  const below = prefixesBelow(projectDir);
  const files = folders
    .map((folder) => join(projectDir, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder, { recursive: true, withFileTypes: true }))
    .filter(({ name }) => !name.startsWith(".") && extensions.some((extension) => name.endsWith(extension)))
    .filter(
      (entry) => entry.isFile() || (entry.isSymbolicLink() && isFile(join(entry.parentPath, entry.name))),
    )
    .map(({ parentPath, name }) => `${below(parentPath)}${name}`);
  return [...new Set(files)].sort();
}

/** The beginnings of the paths of what lies in a folder, relative to the project. */
function prefixesBelow(projectDir: string): (folder: string) => string {
  const prefixes = new Map<string, string>();
  return (folder) => {
    const known = prefixes.get(folder);
    if (known !== undefined) return known;
    const path = relative(projectDir, folder).split(sep).join("/");
    const prefix = path === "" ? "" : `${path}/`;
    prefixes.set(folder, prefix);
    return prefix;
  };
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
