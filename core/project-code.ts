import { createRequire } from "node:module";
import { join } from "node:path";
import { projectFolders } from "./config.ts";
import type { Context } from "./context.ts";
import { makeFolder } from "./durable.ts";
import * as sillon from "./sillon.ts";

type Jiti = typeof import("jiti");

/**
 * Loads a TypeScript file of the project, in which `sillon` and `zod` are this package's. Throws whatever the
 * file throws; placeInCode says where.
 */
export function loadProjectCode(ctx: Context, path: string): unknown {
  const file = join(ctx.projectDir, path);
  const require = createRequire(import.meta.url);
  const { createJiti } = require("jiti") as Jiti; // its types say what it exports
  // Kept in the project: a folder for temporary files may be shared with other users.
  const fsCache = join(projectFolders(ctx.projectDir).target, "cache");
  try {
    makeFolder(fsCache);
  } catch {
    // Where nothing can be written nothing is kept.
  }
  const virtualModules = { sillon, zod: require("zod") };
  return createJiti(file, { virtualModules, moduleCache: false, fsCache })(file);
}

/** jiti names the place in the message of a syntax error, and in the stack of an error that the file throws. */
export function placeInCode(ctx: Context, error: unknown, path: string): string {
  const file = join(ctx.projectDir, path);
  const text = error instanceof Error ? `${error.message}\n${error.stack ?? ""}` : "";
  const start = text.indexOf(`${file}:`);
  const [, place] = start < 0 ? [] : (/^:(\d+:\d+)/.exec(text.slice(start + file.length)) ?? []);
  return place === undefined ? path : `${path}:${place}`;
}

/** What a file that cannot be loaded says of it, in one line. */
export function codeProblem(text: string): string {
  const [message = text] = text.replace(/^ParseError: /, "").split("\n");
  return message.trim();
}
