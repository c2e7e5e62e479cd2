import { existsSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { makeFolder } from "../core/durable.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { type OwnFiles, openDuckdb, openDuckdbReadOnly } from "../engines/duckdb.ts";
import { type Engine, FILE_FORMATS, type FileFormat } from "../engines/engine.ts";
import { fileMark, timeMark } from "../engines/file-mark.ts";
import { listFiles } from "../runner/project/files.ts";
import { latestRelease, unfinishedRelease } from "../runner/publish.ts";
import {
  type BuildBook,
  buildBookFile,
  closeBuildBook,
  openBuildBook,
  readBuildBook,
  writeBuildBook,
} from "../state/builds.ts";
import type { Workspace } from "./workspace.ts";

const DEFAULT_WAIT_SECONDS = 30;

/** How long to wait for another command of the project. */
export function waitMsOf({ options: { wait } }: Workspace): number {
  return (wait === false ? 0 : (wait ?? DEFAULT_WAIT_SECONDS)) * 1000;
}

/** The warehouse, and what is known of its tables. */
export interface OpenWarehouse {
  engine: Engine;
  book: BuildBook;
}

/**
 * Holds the project's lock and the warehouse while `work` runs; waits for either until the same moment. What
 * `work` notes in the book of builds is kept. The engine may read the files `reads`, too. Throws WARNINGS when planning gave warnings that are errors.
 */
export async function withWarehouse<T>(
  workspace: Workspace,
  command: string,
  work: (engine: Engine, book: BuildBook) => Promise<T>,
  { readsPostgres = false, reads = [] }: { readsPostgres?: boolean; reads?: readonly string[] } = {},
): Promise<T> {
  const { ctx, folders, warnings } = workspace;
  warnings.throwIfAny();
  const waitMs = waitMsOf(workspace);
  const deadlineMs = ctx.clock.now().getTime() + waitMs;
  const { acquireLock } = await import("../state/lock.ts");
  const lock = await acquireLock(ctx, folders.lockFile, { command, waitMs });
  try {
    makeFolder(folders.data);
    const path = warehousePath(workspace);
    const { engine, mark } = await openHeld(workspace, deadlineMs, () =>
      openMarked(path, () =>
        openDuckdb(ctx, workspace.target.duckdb, ownFiles(workspace, reads), { readsPostgres }),
      ),
    );
    const file = buildBookFile(folders.builds, relative(ctx.projectDir, path));
    const book = openBuildBook(file, mark);
    try {
      return await work(engine, book);
    } finally {
      await closeWarehouse(workspace, engine, { file, book });
    }
  } finally {
    lock.release();
  }
}

/** The warehouse, and the mark of its file when nobody wrote to it while it was opened. */
async function openMarked(
  path: string,
  open: () => Promise<Engine>,
): Promise<{ engine: Engine; mark: string | null }> {
  const before = fileMark(path);
  const engine = await open();
  return { engine, mark: before?.endsWith(timeMark(path)) ? before : null };
}

/** The warehouse and what is known of it, to read alone; undefined when there is none. The caller closes the engine. */
export async function openWarehouseReadOnly(
  workspace: Workspace,
  deadlineMs: number,
): Promise<OpenWarehouse | undefined> {
  const { ctx, folders } = workspace;
  const path = warehousePath(workspace);
  if (!existsSync(path)) return undefined;
  const { engine, mark } = await openHeld(workspace, deadlineMs, () =>
    openMarked(path, () => openDuckdbReadOnly(ctx, path, ownFiles(workspace))),
  );
  return { engine, book: readBuildBook(buildBookFile(folders.builds, relative(ctx.projectDir, path)), mark) };
}

const IN_MEMORY = ":memory:";

function warehousePath({ ctx, target: { duckdb } }: Workspace): string {
  return duckdb.path === IN_MEMORY ? IN_MEMORY : resolve(ctx.projectDir, duckdb.path);
}

/** Nothing is kept when it cannot be told that the file is as this command left it: then all is made anew. */
async function closeWarehouse(
  workspace: Workspace,
  engine: Engine,
  { file, book }: { file: string; book: BuildBook },
): Promise<void> {
  const path = warehousePath(workspace);
  let left = "";
  try {
    await engine.checkpoint();
    left = timeMark(path);
  } catch (error) {
    workspace.ctx.log.debug("checkpoint_failed", `the warehouse keeps a log: ${messageOf(error)}`);
  }
  engine.close();
  closeBuildBook(file);
  if (left === "" || (book.state !== "trusted" && book.builds.size + book.tests.size === 0)) return;
  const mark = fileMark(path);
  if (mark !== null && timeMark(path) === left) writeBuildBook(file, mark, book);
}

const HELD_POLL_MS = 250;

/** A program that is not ours may have the warehouse open: no lock of ours tells when it lets go. */
export async function openHeld<T>(
  { ctx }: Workspace,
  deadlineMs: number,
  open: () => Promise<T>,
): Promise<T> {
  for (let hasWarned = false; ; hasWarned = true) {
    try {
      return await open();
    } catch (error) {
      const isHeld = error instanceof ProjectError && error.code === "WAREHOUSE_HELD";
      if (!isHeld || ctx.clock.now().getTime() >= deadlineMs) throw error;
      if (!hasWarned) ctx.log.warn("warehouse_awaited", `waiting for the warehouse: ${error.why.join("; ")}`);
    }
    await ctx.clock.sleep(HELD_POLL_MS, ctx.signal);
  }
}

/** Where `run export` has the engine write before the rows go where they are wanted. */
export function exportFile({ ctx, folders }: Workspace, format: FileFormat): string {
  return join(folders.target, `export-${ctx.invocationId}.${format}`);
}

/** What the program has the engine read and write: seeds, exports, the next release, and what a command was given. */
export function ownFiles(workspace: Workspace, reads: readonly string[] = []): OwnFiles {
  const { ctx, project, folders } = workspace;
  const seeds = listFiles(ctx.projectDir, project.seedPaths, [".csv"]);
  return {
    files: [
      ...reads,
      ...seeds.map((file) => join(ctx.projectDir, file)),
      ...FILE_FORMATS.map((format) => exportFile(workspace, format)),
    ],
    databases: [unfinishedRelease(folders.published)],
  };
}

export interface ReadView {
  engine: Engine;
  /** Where the rows come from: the warehouse, or the published copy while another command holds it. */
  origin: "warehouse" | "published";
}

/** Reads the warehouse, or the published copy at once when another process holds the warehouse. */
export async function withReadView<T>(
  workspace: Workspace,
  command: string,
  work: (view: ReadView) => Promise<T>,
): Promise<T> {
  const warehouse = resolve(workspace.ctx.projectDir, workspace.target.duckdb.path);
  const published = latestRelease(workspace.folders.published);
  if (!existsSync(warehouse) && !existsSync(published)) throw nothingBuilt(warehouse);
  const read = (from: Workspace) =>
    withWarehouse(from, command, (engine) => work({ engine, origin: "warehouse" }));
  if (!existsSync(published)) return read(workspace);
  try {
    return await read({ ...workspace, options: { ...workspace.options, wait: false } });
  } catch (error) {
    if (!(error instanceof ProjectError) || error.exitCode !== EXIT.locked) throw error;
  }
  const engine = await openDuckdbReadOnly(workspace.ctx, published, ownFiles(workspace));
  try {
    return await work({ engine, origin: "published" });
  } finally {
    engine.close();
  }
}

export function nothingBuilt(warehouse: string): ProjectError {
  return new ProjectError("WAREHOUSE_MISSING", {
    message: "there is no warehouse yet",
    where: warehouse,
    hint: "fill it first: run pipeline",
    exitCode: EXIT.failed,
  });
}
