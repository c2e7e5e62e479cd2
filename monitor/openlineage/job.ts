import type { RunRow } from "../../state/database.ts";
import { endOf, facet, type JobRun, type RunEvent, startOf } from "./event.ts";
import { errorOf, jobType } from "./told.ts";

/** Where jobs of `run up` belong. */
export interface ToldScheduler {
  namespace: string;
  project: string;
  version: string;
}

/** The name under which a job is told, and by which its commands name their parent. */
export function nameOfJob(project: string, job: string): string {
  return `${project}.job.${job}`;
}

/** The event that a job's run has begun, or ended; none of one that never began. */
export function jobEvents(told: ToldScheduler, run: RunRow): RunEvent[] {
  if (run.job === null || run.started_at === null) return [];
  const { namespace, project, version } = told;
  const own = {
    runId: run.id,
    job: { namespace, name: nameOfJob(project, run.job) },
    startedAt: new Date(run.started_at),
    runFacets: {
      processing_engine: facet("processing_engine", {
        name: "sillon",
        version,
        openlineageAdapterVersion: version,
      }),
    },
    jobFacets: jobType("JOB"),
    inputs: [],
    outputs: [],
  };
  if (run.ended_at === null) return [startOf(own)];
  const message = run.status === "success" ? null : (run.reason ?? run.status);
  const end: JobRun["end"] = ENDS[run.status] ?? "FAIL";
  return [endOf({ ...own, ...errorOf({ message }, "TypeScript"), endedAt: new Date(run.ended_at), end })];
}

const ENDS: Partial<Record<RunRow["status"], JobRun["end"]>> = {
  success: "COMPLETE",
  interrupted: "ABORT",
  cancelled: "ABORT",
};
