import { existsSync, mkdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { parse } from "yaml";
import { findProjectDir, type ProjectFolders, projectFolders } from "../core/config.ts";
import { type Context, createContext, type Environment } from "../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { type OwnFiles, openDuckdb, openDuckdbReadOnly } from "../engines/duckdb.ts";
import { databaseName, duckdbDialect } from "../engines/duckdb-sql.ts";
import { type Engine, FILE_FORMATS, type FileFormat } from "../engines/engine.ts";
import { fileMark, timeMark } from "../engines/file-mark.ts";
import { loadTarget, type Target } from "../engines/profiles.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import { loadGraph } from "../runner/graph/load.ts";
import { listFiles } from "../runner/project/files.ts";
import { loadProject, type Project } from "../runner/project/project.ts";
import { latestRelease, unfinishedRelease } from "../runner/publish.ts";
import type { Literal } from "../runner/templates/template.ts";
import {
  type BuildBook,
  buildBookFile,
  closeBuildBook,
  openBuildBook,
  writeBuildBook,
} from "../state/builds.ts";
import type { LogFormat } from "./log-json.ts";
import type { Terminal } from "./terminal.ts";
import { createWarnings, type WarnErrorOptions, type Warnings } from "./warnings.ts";

/** Options that every command has. */
export interface CommonOptions extends WarnErrorOptions {
  projectDir?: string;
  target?: string;
  profilesDir?: string;
  threads?: number;
  vars?: string;
  json?: boolean;
  quiet?: boolean;
  debug?: boolean;
  logFormat?: LogFormat;
  /** Seconds to wait for another command of this project; `--no-wait` makes it false. */
  wait?: number | false;
}

/** A project that was found and whose settings were read; nothing of it is opened yet. */
export interface Workspace {
  ctx: Context;
  folders: ProjectFolders;
  project: Project;
  target: Target;
  options: CommonOptions;
  /** The command as typed. */
  invocation: string;
  /** Where it was typed. */
  cwd: string;
  warnings: Warnings;
  /** Its graph, where that was read already. */
  scope?: CompileScope;
  /** Ids that a command keeps to, of those that it chooses. */
  only?: ReadonlySet<string>;
}

/** Finds the project and reads its settings. Throws PROJECT_*, PROFILE*, WARN_ERROR_OPTIONS (exit 2). */
export function openWorkspace(terminal: Terminal, options: CommonOptions): Workspace {
  const projectDir = findProjectDir(terminal.cwd, options.projectDir);
  const warnings = createWarnings(options);
  const ctx = createContext({
    projectDir,
    env: terminal.env,
    readLine: terminal.readLine,
    sink: warnings.through(terminal.story.sink),
    signal: terminal.signal,
  });
  return readSettings({ ctx, options, invocation: terminal.invocation, cwd: terminal.cwd, warnings });
}

/** The same project with other options: its settings are read again. Throws as `openWorkspace`. */
export function withOptions(workspace: Workspace, options: CommonOptions): Workspace {
  workspace.warnings.follow(options);
  return readSettings({ ...workspace, options });
}

function readSettings({
  ctx,
  options,
  invocation,
  cwd,
  warnings,
}: Pick<Workspace, "ctx" | "options" | "invocation" | "cwd" | "warnings">): Workspace {
  const project = loadProject(ctx, { vars: parseVars(options.vars) });
  const target = loadTarget(ctx, project.profileName, {
    target: options.target,
    profilesDir: options.profilesDir === undefined ? undefined : resolve(cwd, options.profilesDir),
  });
  if (options.threads !== undefined) target.duckdb.threads = options.threads;
  const folders = projectFolders(ctx.projectDir, project.targetPath);
  return { ctx, folders, project, target, options, invocation, cwd, warnings };
}

/** The same workspace in which some environment variables have other values. */
export function withEnvironment(workspace: Workspace, env: Environment): Workspace {
  return { ...workspace, ctx: { ...workspace.ctx, env: { ...workspace.ctx.env, ...env } } };
}

/** The value of `--vars`. Throws VARS_INVALID (exit 2). */
export function parseVars(text: string | undefined): Record<string, Literal> {
  if (text === undefined) return {};
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw varsError(messageOf(error).split("\n")[0] ?? "");
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return value as Record<string, Literal>;
  throw varsError(`found ${JSON.stringify(value)}`);
}

function varsError(why: string): ProjectError {
  return new ProjectError("VARS_INVALID", {
    message: "the value of --vars is not a YAML map",
    where: "--vars",
    why: [why],
    hint: `write --vars '{name: value}'`,
    exitCode: EXIT.usage,
  });
}

/** Reads models and tests. Throws all mistakes of the project at once (exit 2). */
export function openGraph({ ctx, project, target, scope }: Workspace): CompileScope {
  if (scope !== undefined) return scope;
  const { schema, threads, path } = target.duckdb;
  const graph = loadGraph(ctx, project, {
    dialect: duckdbDialect,
    targetSchema: schema,
    targetDatabase: databaseName(path),
    targetName: target.name,
  });
  const place = {
    name: target.name,
    profileName: target.profileName,
    schema,
    threads,
    database: databaseName(path),
  };
  return { project, graph, dialect: duckdbDialect, target: place };
}

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
 * `work` notes in the book of builds is kept. Throws WARNINGS when planning gave warnings that are errors.
 */
export async function withWarehouse<T>(
  workspace: Workspace,
  command: string,
  work: (engine: Engine, book: BuildBook) => Promise<T>,
): Promise<T> {
  const { ctx, folders, warnings } = workspace;
  warnings.throwIfAny();
  const waitMs = waitMsOf(workspace);
  const deadlineMs = ctx.clock.now().getTime() + waitMs;
  const { acquireLock } = await import("../state/lock.ts");
  const lock = await acquireLock(ctx, folders.lockFile, { command, waitMs });
  try {
    mkdirSync(folders.data, { recursive: true });
    const path = warehousePath(workspace);
    const { engine, mark } = await openHeld(workspace, deadlineMs, async () => {
      const before = fileMark(path);
      const opened = await openDuckdb(ctx, workspace.target.duckdb, ownFiles(workspace));
      return { engine: opened, mark: before?.endsWith(timeMark(path)) ? before : null };
    });
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

/** What the program has the engine read and write: seeds, exports and the next release. */
export function ownFiles(workspace: Workspace): OwnFiles {
  const { ctx, project, folders } = workspace;
  const seeds = listFiles(ctx.projectDir, project.seedPaths, [".csv"]);
  return {
    files: [
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
