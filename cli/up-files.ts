import { statSync } from "node:fs";
import { join } from "node:path";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { Schedule } from "../schedule/jobs/job.ts";
import { JOB_FILES, problemLines } from "../schedule/jobs/load-jobs.ts";
import type { Scheduler } from "../schedule/scheduler.ts";
import type { Workspace } from "./workspace.ts";

const LOOK_MS = 1000;

/** Takes over definitions when their files are saved. Wrong ones are told, and the former ones hold. */
export function followFiles(
  { ctx }: Workspace,
  {
    scheduler,
    problems,
    marks: first,
    load,
  }: { scheduler: Scheduler; problems: string[]; marks: string; load: () => Promise<Schedule> },
): NodeJS.Timeout {
  let former = first;
  const look = async () => {
    const marks = marksOf(ctx.projectDir);
    if (marks === former) return;
    former = marks;
    try {
      await scheduler.follow(await load());
      problems.length = 0;
      ctx.log.info("jobs_read", "the jobs were read again");
    } catch (error) {
      problems.splice(0, problems.length, ...problemLines(error));
      ctx.log.warn("jobs_wrong", `the former jobs hold: ${problems.join("\n")}`);
    }
    scheduler.wake();
  };
  return setInterval(() => void look(), LOOK_MS);
}

/** Aborts, with STATE_GONE (exit 4) as the reason, when the store is not there any more: what is written to it then is read by nobody. */
export function watchStore(file: string, gone: AbortController): NodeJS.Timeout {
  const inode = () => statSync(file, { throwIfNoEntry: false })?.ino;
  const first = inode();
  return setInterval(() => {
    if (inode() === first || gone.signal.aborted) return;
    const error = new ProjectError("STATE_GONE", {
      message: "the store of runs was moved away or replaced while run up was working with it",
      where: file,
      hint: "put it back and start run up again; without it a new history begins",
      exitCode: EXIT.environment,
    });
    gone.abort(error);
  }, LOOK_MS);
}

/** Another text whenever a file of jobs was saved. */
export function marksOf(projectDir: string): string {
  return JOB_FILES.map((file) => {
    const stat = statSync(join(projectDir, file), { throwIfNoEntry: false });
    return stat === undefined ? "" : `${stat.mtimeMs}/${stat.size}/${stat.ino}`;
  }).join(" ");
}
