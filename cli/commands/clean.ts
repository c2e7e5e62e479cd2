import { existsSync, realpathSync, rmSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { EXIT, ProjectError, ProjectErrors } from "../../core/errors.ts";
import type { Project } from "../../runner/project/project.ts";
import { acquireLock } from "../../state/lock.ts";
import type { Outcome } from "../outcome.ts";
import { waitMsOf } from "../warehouse.ts";
import type { Workspace } from "../workspace.ts";

/** `run clean`: removes target/ and the folders that `clean-targets` of project.yml names. */
export async function runClean(workspace: Workspace): Promise<Outcome> {
  const { ctx, project, folders } = workspace;
  const targets = [...new Set([relative(ctx.projectDir, folders.target), ...project.cleanTargets])];
  const refused = targets.flatMap((target) => refusalOf(workspace, target) ?? []);
  if (refused.length > 0) throw new ProjectErrors(refused);
  const present = targets.filter((target) => existsSync(join(ctx.projectDir, target)));
  const lock = existsSync(folders.data)
    ? await acquireLock(ctx, folders.lockFile, { command: "run clean", waitMs: waitMsOf(workspace) })
    : undefined;
  try {
    for (const target of present) rmSync(join(ctx.projectDir, target), { recursive: true });
  } finally {
    lock?.release();
  }
  const summary = present.length === 0 ? "nothing to remove" : `removed ${present.join(", ")}`;
  return { exitCode: EXIT.ok, summary, text: summary, json: { removed: present } };
}

/** Folders that people write in, besides those that project.yml names. */
const AUTHORED = ["ingest", "tests", "macros", "seeds", "snapshots", ".git"];

function authoredIn({ modelPaths, seedPaths, testPaths, macroPaths, dbt }: Project): string[] {
  return [...modelPaths, ...seedPaths, ...testPaths, ...macroPaths, ...(dbt?.snapshotPaths ?? [])];
}

/** Why a folder must stay: it is, holds or lies in what cannot be made again. */
function refusalOf({ ctx, project, folders, target }: Workspace, name: string): ProjectError | undefined {
  const folder = resolve(ctx.projectDir, name);
  const kept = [
    { path: folders.data, what: "the data" },
    { path: resolve(ctx.projectDir, target.duckdb.path), what: "the warehouse" },
    { path: join(ctx.projectDir, project.file.path), what: project.file.path },
    ...[...authoredIn(project), ...AUTHORED].map((path) => ({
      path: join(ctx.projectDir, path),
      what: `${path}/`,
    })),
  ].find(({ path }) => isWithin(path, folder) || isWithin(folder, path));
  const isOutside = !isWithin(realParent(folder), realpathSync(ctx.projectDir));
  if (kept === undefined && !isOutside) return undefined;
  const index = project.cleanTargets.indexOf(name);
  return new ProjectError("CLEAN_REFUSED", {
    message:
      kept === undefined ? `"${name}" leads out of the project` : `"${name}" would take ${kept.what} with it`,
    where: index < 0 ? name : project.file.locate(["clean-targets", index]),
    why: ["nothing was removed"],
    hint: "name only folders that can be made again",
    exitCode: EXIT.usage,
  });
}

/** Where the folder lies when links on the way to it are followed. */
function realParent(folder: string): string {
  const parent = dirname(folder);
  return existsSync(parent) ? realpathSync(parent) : realParent(parent);
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}${sep}`);
}
