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

/** Holds the expression that was asked last: taken apart it has 70 kB, too much to keep for each of a thousand jobs. */
export interface CronSlot {
  key?: string;
  cron?: Cron;
}

/**
 * How a job's due moments follow each other. A fixed time that summer time leaves out is due right after the gap, one
 * that comes twice is due once; what is due every so often keeps its real distance. Many jobs may share a slot.
 */
export function dueMoments(timing: Timing, slot: CronSlot = {}): NextDue {
  if ("everyMs" in timing) {
    const { everyMs } = timing;
    return (after) => new Date((Math.floor(after.getTime() / everyMs) + 1) * everyMs);
  }
  const key = `${timing.cron} ${timing.timezone}`;
  return (after) => {
    if (slot.key !== key || slot.cron === undefined) {
      slot.cron = new Cron(timing.cron, { timezone: timing.timezone });
      slot.key = key;
    }
    return slot.cron.nextRun(after);
  };
}

/** The due moments after `after` up to `until`, the last one included. */
export function dueBetween(next: NextDue, after: Date, until: Date): Date[] {
  const moments: Date[] = [];
  for (let due = next(after); due !== null && due <= until; due = next(due)) moments.push(due);
  return moments;
}
