import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Environment } from "./context.ts";
import { EXIT, ProjectError } from "./errors.ts";

/** The folder of this package: its package.json is the nearest one above this file. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("package.json of sillon is missing");
    folder = parent;
  }
  return folder;
}

/** Where a project keeps what it makes. All of it can be deleted and made again but `data`. */
export interface ProjectFolders {
  data: string;
  published: string;
  /** SQLite: the runs of this project. */
  stateFile: string;
  /** What is known of the warehouses' tables, a file for each. */
  builds: string;
  /** Artefacts of models, a folder for each version. */
  reco: string;
  /** Prepared lists, and which of them are current. */
  serving: string;
  /** SQLite: what listeners said of recommendations, and the answers that they were given. */
  feedbackFile: string;
  /** SQLite: held open by the one command that may write. */
  lockFile: string;
  /** SQLite: held open by the one scheduler. */
  leaderFile: string;
  /** Of runs, a file for each. */
  logs: string;
  target: string;
}

export function projectFolders(projectDir: string, targetPath = "target"): ProjectFolders {
  const data = join(projectDir, "data");
  return {
    data,
    published: join(data, "published"),
    stateFile: join(data, "state.db"),
    builds: join(data, "builds"),
    reco: join(data, "reco"),
    serving: join(data, "serving"),
    feedbackFile: join(data, "feedback.db"),
    lockFile: join(data, "lock.db"),
    leaderFile: join(data, "scheduler.db"),
    logs: join(data, "logs"),
    target: resolve(projectDir, targetPath),
  };
}

export const PROJECT_FILE = "project.yml";
/** Read where there is no project.yml. */
const DBT_PROJECT_FILE = "dbt_project.yml";

/** The absolute project folder: the given one, or the nearest one at or above `cwd` that has a project file. */
export function findProjectDir(cwd: string, given: string | undefined): string {
  if (given !== undefined) {
    const folder = resolve(cwd, given);
    if (hasProject(folder)) return folder;
    throw projectMissing(folder, "give the folder that holds project.yml to --project-dir");
  }
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (hasProject(folder)) return folder;
    if (dirname(folder) === folder) break;
  }
  throw projectMissing(cwd, "change into a project's folder, or name it with --project-dir");
}

function hasProject(folder: string): boolean {
  return [PROJECT_FILE, DBT_PROJECT_FILE].some((file) => existsSync(join(folder, file)));
}

function projectMissing(folder: string, hint: string): ProjectError {
  return new ProjectError("PROJECT_MISSING", {
    message: "no project.yml here",
    where: folder,
    why: [
      "a project is a folder with project.yml or dbt_project.yml, profiles.yml, models/, and ingest/sources/ to load from",
    ],
    hint,
    exitCode: EXIT.usage,
  });
}

/** The value of an environment variable; an empty one counts as absent. */
export function environmentValue(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === "" ? undefined : value;
}
