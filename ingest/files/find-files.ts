import { existsSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve, sep } from "node:path";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { IngestSettings } from "../settings.ts";

/** A file of this machine, as it was when it was found. */
export interface LocalFile {
  /** From the project's folder on, with `/`; absolute when it is outside. */
  name: string;
  path: string;
  size: number;
  /** Of the last change, in nanoseconds since 1970. */
  modified: string;
}

const PATTERN = /[*?[\]{}!()]/;

interface Wanted {
  /** What names the stream to people. */
  name: string;
  path: string;
  settings: IngestSettings;
}

/** Throws FILE_OUTSIDE (exit 2) for a path that leads out of the folders that may be read. */
export function checkInside(ctx: Context, { name, path, settings }: Wanted): void {
  const parts = path.split("/");
  const fixed = parts.slice(0, parts.findIndex((part) => PATTERN.test(part)) >>> 0);
  const start = resolve(ctx.projectDir, fixed.join("/") || (isAbsolute(path) ? "/" : "."));
  if (!isInside(ctx, settings, start) || parts.slice(fixed.length).includes("..")) throw outside(name, path);
}

/** The files that a path or pattern names, sorted by name. Throws FILES_MISSING or FILE_OUTSIDE. */
export async function findFiles(ctx: Context, wanted: Wanted): Promise<LocalFile[]> {
  const { name, path, settings } = wanted;
  const literal = resolve(ctx.projectDir, path);
  const paths = existsSync(literal) ? [literal] : await match(ctx, path);
  if (paths.length === 0) {
    throw new ProjectError("FILES_MISSING", {
      message: `${name}: no file matches "${path}"`,
      where: ctx.projectDir,
      why: ["an empty list would count every record as deleted"],
      hint: "correct the path, or see whether the folder is there: nothing of this stream was changed",
    });
  }
  const files = paths.map((file) => {
    const real = realpathSync(file);
    const roots = rootsOf(ctx, settings).map((root) => (existsSync(root) ? realpathSync(root) : root));
    if (!roots.some((root) => isBelow(root, real))) throw outside(name, file);
    return localFile(ctx, file);
  });
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function match(ctx: Context, path: string): Promise<string[]> {
  const { glob } = await import("tinyglobby");
  const options = { absolute: true, onlyFiles: true, expandDirectories: false };
  return glob([path], { ...options, cwd: ctx.projectDir });
}

export function localFile(ctx: Context, path: string): LocalFile {
  const { size, mtimeNs } = statSync(path, { bigint: true });
  const below = relative(ctx.projectDir, path).split(sep).join("/");
  const name = below.startsWith("..") || isAbsolute(below) ? path : below;
  return { name, path, size: Number(size), modified: String(mtimeNs) };
}

function rootsOf(ctx: Context, { allowedFolders }: IngestSettings): string[] {
  return [ctx.projectDir, ...allowedFolders.map((folder) => resolve(ctx.projectDir, folder))];
}

function isInside(ctx: Context, settings: IngestSettings, path: string): boolean {
  return rootsOf(ctx, settings).some((root) => isBelow(root, path));
}

function isBelow(root: string, path: string): boolean {
  const way = relative(root, path);
  return way === "" || (!way.startsWith(`..${sep}`) && way !== ".." && !isAbsolute(way));
}

function outside(name: string, path: string): ProjectError {
  return new ProjectError("FILE_OUTSIDE", {
    message: `${name}: "${path}" leads out of the project's folder`,
    where: name,
    hint: "move the files into the project, or name their folder under ingest: allowed_folders in project.yml",
    exitCode: EXIT.usage,
  });
}
