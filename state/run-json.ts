import type { RunRow, StepRow } from "./database.ts";

/** A run as programs see it. */
export function runJson({ pid: _pid, process_start: _start, is_cancelled: _cancelled, ...run }: RunRow) {
  return run;
}

/** One attempt at a step as programs see it. */
export function stepJson({
  name,
  attempt,
  command,
  needs,
  status,
  started_at,
  ended_at,
  exit_code,
  signal,
  cpu_seconds,
  peak_memory_bytes,
  reason,
}: StepRow) {
  return {
    name,
    attempt,
    command: JSON.parse(command) as string[], // written as such
    needs: JSON.parse(needs) as string[],
    status,
    started_at,
    ended_at,
    exit_code,
    signal,
    cpu_seconds,
    peak_memory_bytes,
    reason,
  };
}
