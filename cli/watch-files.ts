import { once } from "node:events";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import type { Project } from "../runner/project/project.ts";

/** What is saved in a project, burst by burst. */
export interface Saves {
  /** Paths, relative to the project, of the next burst; of what came since the last one at once. Empty when stopped. */
  next(): Promise<string[]>;
  close(): Promise<void>;
}

/** A file counts as whole when its size did not change for this long. */
const WHOLE_MS = 100;
/** A burst is over when nothing was saved for this long: longer than a rename takes, which is two events. */
const QUIET_MS = 200;

/** Files that decide over all nodes. */
export const PROJECT_FILES = ["project.yml", "dbt_project.yml", "profiles.yml", "selectors.yml"];
const EXTENSIONS = [".sql", ".yml", ".yaml", ".csv", ".hbs", ".ts", ".md"];
const SKIPPED_FOLDERS = ["node_modules", "data", "target"];

/** Whether a saved file is a part of the project; `project` is undefined while its settings cannot be read. */
export function isPartOf(project: Project | undefined, path: string): boolean {
  const file = path.split(sep).join("/");
  if (PROJECT_FILES.includes(file.split("/").at(-1) ?? "") && (file.startsWith("..") || !file.includes("/")))
    return true;
  if (!EXTENSIONS.includes(extname(file))) return false;
  if (project === undefined) return true;
  const { modelPaths, seedPaths, testPaths, macroPaths, dbt } = project;
  const snapshotPaths = dbt?.snapshotPaths ?? ["snapshots"];
  const folders = [...modelPaths, ...seedPaths, ...testPaths, ...macroPaths, ...snapshotPaths, "tests"];
  return folders.some((folder) => file.startsWith(`${folder}/`));
}

/**
 * Watches the project's folder, and files elsewhere that it reads. Nothing is missed once this has resolved.
 * Throws WATCH_FAILED (exit 4).
 */
export async function watchFiles(
  projectDir: string,
  options: { others: readonly string[]; signal: AbortSignal; isPart: (path: string) => boolean },
): Promise<Saves> {
  const { watch } = await import("chokidar");
  const isSkipped = (path: string) => {
    const steps = relative(projectDir, path).split(sep);
    return (
      steps[0] !== ".." &&
      (steps.some((step) => step.startsWith(".")) || SKIPPED_FOLDERS.includes(steps[0] ?? ""))
    );
  };
  const watcher = watch([projectDir, ...options.others], {
    ignored: isSkipped,
    ignoreInitial: true,
    awaitWriteFinish: { stabilityThreshold: WHOLE_MS, pollInterval: 20 },
  });
  const burst = createBurst(options.signal);
  for (const event of ["add", "change", "unlink"] as const) {
    watcher.on(event, (path) => {
      const file = relative(projectDir, resolve(projectDir, path));
      if (options.isPart(file)) burst.add(file);
    });
  }
  watcher.on("error", (error) => burst.fail(watchError(projectDir, error)));
  await Promise.race([once(watcher, "ready"), burst.failed]);
  return { next: burst.next, close: () => watcher.close() };
}

/** What the system says against watching. */
export function watchError(projectDir: string, error: unknown): ProjectError {
  return new ProjectError("WATCH_FAILED", {
    message: "the project's files cannot be watched",
    where: projectDir,
    why: [messageOf(error)],
    hint: "raise the limits of the system (sysctl fs.inotify.max_user_watches), or set CHOKIDAR_USEPOLLING=1",
    exitCode: EXIT.environment,
    cause: error,
  });
}

function createBurst(signal: AbortSignal) {
  const files = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let isOver = false;
  let wake = () => {};
  let fail = (_error: ProjectError) => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined); // Whoever waits next hears of it.
  const end = () => {
    isOver = true;
    wake();
  };
  const add = (file: string) => {
    files.add(file);
    isOver = false;
    clearTimeout(timer);
    timer = setTimeout(end, QUIET_MS);
  };
  signal.addEventListener("abort", () => wake(), { once: true });
  const next = async (): Promise<string[]> => {
    const quiet = new Promise<void>((resolve) => {
      wake = resolve;
      if ((isOver && files.size > 0) || signal.aborted) resolve();
    });
    await Promise.race([quiet, failed]);
    clearTimeout(timer);
    isOver = false;
    return signal.aborted ? [] : [...files].sort().filter((file) => files.delete(file));
  };
  return { add, fail, failed, next };
}

/** profiles.yml files outside of the project that a command may read. */
export function profilesElsewhere(
  projectDir: string,
  given: { profilesDir?: string | undefined; cwd: string; env: Readonly<Record<string, string | undefined>> },
): string[] {
  const { profilesDir, cwd, env } = given;
  const folders = [
    ...(profilesDir === undefined ? [] : [resolve(cwd, profilesDir)]),
    ...(env.DBT_PROFILES_DIR ? [resolve(projectDir, env.DBT_PROFILES_DIR)] : []),
    ...(env.HOME ? [join(env.HOME, ".dbt")] : []),
  ];
  const files = folders.map((folder) => join(folder, "profiles.yml"));
  return [...new Set(files)].filter((file) => dirname(file) !== projectDir);
}
