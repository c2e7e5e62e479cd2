import { Cron } from "croner";
import { messageOf } from "../../core/errors.ts";
import type { Timing } from "../jobs/job.ts";

/** Why it is no cron expression, or one that is never due; null when it is sound. */
export function checkCron(expression: string): string | null {
  try {
    return new Cron(expression, { timezone: "UTC" }).nextRun() === null ? "it is never due" : null;
  } catch (error) {
    return messageOf(error).replace(/^Cron\w+: /, "");
  }
}

export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** The first due moment after `after`; null when there is none. */
export type NextDue = (after: Date) => Date | null;

/**
 * How a job's due moments follow each other. A fixed time that summer time leaves out is due right after the gap, one
 * that comes twice is due once; what is due every so often keeps its real distance.
 */
export function dueMoments(timing: Timing): NextDue {
  if ("everyMs" in timing) {
    const { everyMs } = timing;
    return (after) => new Date((Math.floor(after.getTime() / everyMs) + 1) * everyMs);
  }
  // An expression that was taken apart holds 70 kB: of a thousand jobs only those that are just asked keep it.
  let kept: WeakRef<Cron> | undefined;
  return (after) => {
    const cron = kept?.deref() ?? new Cron(timing.cron, { timezone: timing.timezone });
    kept = new WeakRef(cron);
    return cron.nextRun(after);
  };
}

/** The due moments after `after` up to `until`, the last one included. */
export function dueBetween(next: NextDue, after: Date, until: Date): Date[] {
  const moments: Date[] = [];
  for (let due = next(after); due !== null && due <= until; due = next(due)) moments.push(due);
  return moments;
}
