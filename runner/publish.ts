import { copyFileSync, existsSync, linkSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { faultPoint } from "#faults";
import type { Context } from "../core/context.ts";
import { makeFolder, renameDurably, syncPath } from "../core/durable.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { type Engine, relationKey } from "../engines/engine.ts";
import type { ModelNode } from "./graph/nodes.ts";

export interface Release {
  /** UTC time to the millisecond: sorts by age. */
  name: string;
  file: string;
  tables: string[];
  /** Older releases that had to go. */
  removed: string[];
}

const LATEST = "latest.duckdb";
const RELEASE_FILE = /^\d{8}T\d{9}Z\.duckdb$/;

/** The file that readers open. */
export function latestRelease(folder: string): string {
  return join(folder, LATEST);
}

/** The file that a release is written to before it gets its name. */
export function unfinishedRelease(folder: string): string {
  return join(folder, "next.duckdb.tmp");
}

/**
 * Copies the models into a release file of their own, makes it the latest in one rename, and keeps the last
 * `keep`. A reader that has the former release open goes on with it. Throws PUBLISH_NOT_BUILT.
 */
export async function publishRelease(
  ctx: Context,
  engine: Engine,
  options: { folder: string; models: readonly ModelNode[]; keep: number },
): Promise<Release> {
  const { folder, models } = options;
  const built = await engine.relations();
  const missing = models.filter((model) => !built.has(relationKey(model.relation)));
  if (missing.length > 0) throw notBuilt(missing);
  makeFolder(folder);
  for (const left of readdirSync(folder).filter((name) => /\.tmp(\.wal)?$/.test(name)))
    rmSync(join(folder, left));
  const name = ctx.clock.now().toISOString().replace(/[-:.]/g, "");
  const file = join(folder, `${name}.duckdb`);
  const unfinished = unfinishedRelease(folder);
  await engine.exportTo(
    unfinished,
    models.map((model) => model.relation),
  );
  ctx.signal.throwIfAborted();
  await faultPoint("publish.rename");
  // The engine has synchronised what it wrote.
  renameDurably(unfinished, file);
  pointLatestAt(folder, file);
  const removed = removeOld(folder, options.keep);
  ctx.log.info(
    "release_published",
    `published ${models.length} ${models.length === 1 ? "table" : "tables"} as ${name}`,
    { release: name },
  );
  return {
    name,
    file,
    tables: models.map((model) => `${model.relation.schema}.${model.relation.name}`),
    removed,
  };
}

function notBuilt(missing: readonly ModelNode[]): ProjectError {
  return new ProjectError("PUBLISH_NOT_BUILT", {
    message: `${missing.length} of the models to publish were never built`,
    where: missing[0]?.file,
    why: [missing.map((model) => model.name).join(", ")],
    hint: "build them first: run models",
    exitCode: EXIT.failed,
  });
}

/** A second name of the release's own file, put in place by rename: no moment without a latest one. */
function pointLatestAt(folder: string, file: string): void {
  const next = join(folder, `${LATEST}.tmp`);
  try {
    linkSync(file, next);
  } catch {
    copyFileSync(file, next); // A file system without hard links.
    syncPath(next);
  }
  renameDurably(next, join(folder, LATEST));
}

/** Releases in the folder, the newest first. */
function listReleases(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => RELEASE_FILE.test(name))
    .sort()
    .reverse();
}

function removeOld(folder: string, keep: number): string[] {
  const old = listReleases(folder).slice(keep);
  for (const name of old) rmSync(join(folder, name), { force: true });
  return old;
}
