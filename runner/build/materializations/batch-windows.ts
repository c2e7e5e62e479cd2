import type { BatchSize } from "../../graph/nodes.ts";

/** A stretch of event time: from its start on, before its end. */
export interface BatchWindow {
  start: Date;
  end: Date;
}

/** What `--event-time-start` and `--event-time-end` ask for. */
export type EventTimeRange = BatchWindow;

/** The start of the batch that is `steps` batches after the one that holds `time`; in UTC. */
function batchStart(time: Date, size: BatchSize, steps = 0): Date {
  const [year, month, day, hour] = [
    time.getUTCFullYear(),
    time.getUTCMonth(),
    time.getUTCDate(),
    time.getUTCHours(),
  ];
  if (size === "year") return new Date(Date.UTC(year + steps, 0));
  if (size === "month") return new Date(Date.UTC(year, month + steps));
  if (size === "day") return new Date(Date.UTC(year, month, day + steps));
  return new Date(Date.UTC(year, month, day, hour + steps));
}

/**
 * The batches of a run, dbt's rules: those of the range that was asked for; else from `begin` when the table is
 * built anew; else the latest one and `lookback` before it. Batches are whole, the last one holds `now`.
 */
export function batchWindows(
  config: { begin: Date; size: BatchSize; lookback: number },
  run: { now: Date; isIncremental: boolean; range?: EventTimeRange | undefined },
): BatchWindow[] {
  const { begin, size, lookback } = config;
  const last = run.range?.end ?? run.now;
  const floor = batchStart(last, size);
  const isWhole = floor.getTime() === last.getTime();
  const end = isWhole ? floor : batchStart(last, size, 1);
  const recent = batchStart(last, size, isWhole ? -lookback - 1 : -lookback);
  const first = run.range?.start ?? (run.isIncremental ? recent : begin);
  const windows: BatchWindow[] = [];
  for (let start = batchStart(first, size); start < end; start = batchStart(start, size, 1))
    windows.push({ start, end: batchStart(start, size, 1) });
  return windows;
}

/** A date or a time as people write it, taken as UTC; undefined when it is none. */
export function parseEventTime(text: string): Date | undefined {
  if (!/^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?$/.test(text))
    return undefined;
  const hasZone = /(Z|[+-]\d{2}:?\d{2})$/.test(text.slice(10));
  const isDate = text.length === 10;
  const time = new Date(isDate || hasZone ? text.replace(" ", "T") : `${text.replace(" ", "T")}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** `2026-01-31 00:00:00`, as SQL reads it. */
export function timestampText(time: Date): string {
  return time.toISOString().slice(0, 19).replace("T", " ");
}
