import { resolve } from "node:path";
import { parse } from "yaml";
import { findProjectDir, type ProjectFolders, projectFolders } from "../core/config.ts";
import { type Context, createContext, type Environment } from "../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { databaseName, duckdbDialect } from "../engines/duckdb-sql.ts";
import { loadTarget, type Target } from "../engines/profiles.ts";
import type { CompileScope } from "../runner/graph/compile.ts";
import { loadGraph } from "../runner/graph/load.ts";
import { loadProject, type Project } from "../runner/project/project.ts";
import type { Literal } from "../runner/templates/template.ts";
import type { StoreOwner } from "../state/identity.ts";
import type { Patience } from "../state/patient-driver.ts";
import type { LineageNotes } from "./lineage-notes.ts";
import type { LogFormat } from "./log-json.ts";
import type { Story } from "./print.ts";
import { createRunLog, type RunLog } from "./run-log.ts";
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
  /** Where it is told how far the work has come. */
  story: Story;
  /** What the history keeps of its story. */
  runLog: RunLog;
  /** What OpenLineage events need beside the answer; absent when nobody asks for them. */
  lineage?: LineageNotes;
  /** Its graph, where that was read already. */
  scope?: CompileScope;
  /** Ids that a command keeps to, of those that it chooses. */
  only?: ReadonlySet<string>;
}

/** Whose history the project's store holds. */
export function ownerOf({ project, ctx }: Workspace): StoreOwner {
  return { project: project.name, folder: ctx.projectDir };
}

/** Waits for the store of runs while another program writes to it, and says so. */
export function patienceOf({ log, signal }: Context, maxMs: number): Patience {
  return {
    maxMs,
    signal,
    onWait: (waitedMs) =>
      log.warn(
        "store_awaited",
        `another program holds the store of runs: waiting for it since ${Math.round(waitedMs / 1000)} s`,
      ),
  };
}

/** Finds the project and reads its settings. Throws PROJECT_*, PROFILE*, WARN_ERROR_OPTIONS (exit 2). */
export function openWorkspace(terminal: Terminal, options: CommonOptions): Workspace {
  const projectDir = findProjectDir(terminal.cwd, options.projectDir);
  const warnings = createWarnings(options);
  const runLog = createRunLog();
  const ctx = createContext({
    projectDir,
    env: terminal.env,
    readLine: terminal.readLine,
    sink: warnings.through((entry) => {
      runLog.sink(entry);
      terminal.story.sink(entry);
    }),
    signal: terminal.signal,
    clock: terminal.clock,
  });
  const { invocation, cwd, story } = terminal;
  return readSettings({ ctx, options, invocation, cwd, warnings, story, runLog });
}

/** The same project with other options: its settings are read again. Throws as `openWorkspace`. */
export function withOptions(workspace: Workspace, options: CommonOptions): Workspace {
  workspace.warnings.follow(options);
  const { lineage } = workspace;
  return { ...readSettings({ ...workspace, options }), ...(lineage === undefined ? {} : { lineage }) };
}

function readSettings({
  ctx,
  options,
  invocation,
  cwd,
  warnings,
  story,
  runLog,
}: Pick<Workspace, "ctx" | "options" | "invocation" | "cwd" | "warnings" | "story" | "runLog">): Workspace {
  const project = loadProject(ctx, { vars: parseVars(options.vars) });
  const target = loadTarget(ctx, project.profileName, {
    target: options.target,
    profilesDir: options.profilesDir === undefined ? undefined : resolve(cwd, options.profilesDir),
  });
  if (options.threads !== undefined) target.duckdb.threads = options.threads;
  const folders = projectFolders(ctx.projectDir, project.targetPath);
  return { ctx, folders, project, target, options, invocation, cwd, warnings, story, runLog };
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
