import type { ProcessIdentity } from "../../core/processes.ts";
import type { RunRow, StateDatabase, StepRow } from "../../state/database.ts";
import type { RunStatus } from "../../state/run-statuses.ts";
import type { Job } from "../jobs/job.ts";

/** A step's process. */
export interface RunningChild {
  identity: ProcessIdentity;
  /** Whether it was started by this scheduler, which then hears of its end. */
  isOwn: boolean;
  /** Milliseconds since 1970: when it was asked to end. */
  askedAt: number | null;
}

/** Why a run is being ended before its steps have come to an end. */
export interface Stop {
  status: Extract<RunStatus, "cancelled" | "timed_out" | "interrupted">;
  reason: string;
}

/** A run that goes on. */
export interface ActiveRun {
  row: RunRow;
  job: Job;
  /** The last attempt of each step, in their order. */
  steps: StepRow[];
  /** By place. */
  children: Map<number, RunningChild>;
  stop: Stop | null;
}

/** The rows of a run's steps, none of which has begun. */
export function firstSteps(runId: string, job: Job): StepRow[] {
  return job.steps.map(({ name, command, needs }, place) => ({
    run_id: runId,
    place,
    attempt: 1,
    name,
    command: JSON.stringify(command),
    needs: JSON.stringify(needs),
    ...UNBEGUN,
  }));
}

const UNBEGUN = {
  status: "pending",
  not_before: null,
  pid: null,
  process_start: null,
  started_at: null,
  ended_at: null,
  exit_code: null,
  signal: null,
  cpu_seconds: null,
  peak_memory_bytes: null,
  reason: null,
} as const;

/** The next attempt at a step that failed; null when there is none: the exit codes 2 and 4 ask not to repeat. */
export function nextAttempt({ job, stop }: ActiveRun, step: StepRow, now: Date): StepRow | null {
  const isRepeatable = step.exit_code !== 2 && step.exit_code !== 4;
  if (stop !== null || !isRepeatable || step.attempt > job.retries) return null;
  const delayMs = job.retryDelaysMs[step.attempt - 1] ?? job.retryDelaysMs.at(-1) ?? 0;
  const not_before = new Date(now.getTime() + delayMs).toISOString();
  const { run_id, place, name, command, needs, attempt } = step;
  return { run_id, place, name, command, needs, ...UNBEGUN, attempt: attempt + 1, not_before };
}

export function isOpen({ status }: StepRow): boolean {
  return status === "pending" || status === "starting" || status === "running";
}

/** Steps that may begin now. */
export function readySteps({ steps, job, stop }: ActiveRun, now: Date): StepRow[] {
  if (stop !== null) return [];
  const free =
    job.concurrency - steps.filter(({ status }) => status === "starting" || status === "running").length;
  const at = now.toISOString();
  return steps
    .filter((step) => step.status === "pending" && (step.not_before === null || step.not_before <= at))
    .filter((step) => needsOf(step, steps).every(({ status }) => status === "success"))
    .slice(0, Math.max(free, 0));
}

/** Steps that can never begin, each with the reason. */
export function hopelessSteps({ steps, stop }: ActiveRun): { step: StepRow; reason: string }[] {
  return steps
    .filter(({ status }) => status === "pending")
    .flatMap((step) => {
      if (stop !== null) return [{ step, reason: stop.reason }];
      const bad = needsOf(step, steps).find((need) => !isOpen(need) && need.status !== "success");
      return bad === undefined
        ? []
        : [{ step, reason: `step ${bad.name} ${WORDS[bad.status] ?? bad.status}` }];
    });
}

function needsOf(step: StepRow, steps: readonly StepRow[]): StepRow[] {
  const needs = JSON.parse(step.needs) as string[]; // written by `firstSteps`
  return steps.filter(({ name }) => needs.includes(name));
}

const WORDS: Partial<Record<StepRow["status"], string>> = {
  failed: "failed",
  crashed: "crashed",
  timed_out: "ran out of time",
  cancelled: "was cancelled",
  interrupted: "was interrupted",
  failed_to_start: "could not be started",
  skipped: "was skipped",
};

export interface RunEnd {
  status: RunStatus;
  exitCode: number | null;
  signal: string | null;
  reason: string | null;
  summary: string;
}

/** How a run ends whose steps have all come to an end. */
export function endOf({ steps, stop }: ActiveRun): RunEnd {
  const bad = steps.find(({ status }) => status !== "success" && status !== "skipped");
  const good = steps.filter(({ status }) => status === "success").length;
  const summary = `${good} of ${steps.length} step${steps.length === 1 ? "" : "s"} succeeded`;
  if (stop !== null) return { ...stop, exitCode: null, signal: bad?.signal ?? null, summary };
  if (bad === undefined) return { status: "success", exitCode: 0, signal: null, reason: null, summary };
  const word = WORDS[bad.status] ?? bad.status;
  const reason = `step ${bad.name} ${word}${bad.reason === null ? "" : `: ${bad.reason}`}`;
  // A step's status is one of a run's once it has ended.
  return { status: bad.status as RunStatus, exitCode: bad.exit_code, signal: bad.signal, reason, summary };
}

/** Writes what is known of steps. */
export async function saveSteps(
  state: Pick<StateDatabase, "updateTable">,
  steps: readonly StepRow[],
): Promise<void> {
  for (const { run_id, place, attempt, name: _name, command: _command, needs: _needs, ...facts } of steps)
    await state
      .updateTable("run_steps")
      .set(facts)
      .where("run_id", "=", run_id)
      .where("place", "=", place)
      .where("attempt", "=", attempt)
      .execute();
}

/** What all steps and attempts used. */
export function usageOf(steps: readonly StepRow[]): Pick<RunRow, "cpu_seconds" | "peak_memory_bytes"> {
  const cpu = steps.flatMap(({ cpu_seconds }) => cpu_seconds ?? []);
  const memory = steps.flatMap(({ peak_memory_bytes }) => peak_memory_bytes ?? []);
  return {
    cpu_seconds: cpu.length === 0 ? null : cpu.reduce((sum, seconds) => sum + seconds, 0),
    peak_memory_bytes: memory.length === 0 ? null : Math.max(...memory),
  };
}
