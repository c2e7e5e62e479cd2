import type { Job } from "../jobs/job.ts";

/** What becomes of due moments that have passed. */
export interface Plan {
  /** Late ones that are run all the same, the oldest first. */
  caughtUp: Date[];
  /** Late ones that are not. */
  missed: { due: Date; reason: string }[];
  onTime: Date[];
}

/** A moment that is noticed within this time of it counts as noticed in time. */
export const GRACE_MS = 60_000;

/** What the job's policy makes of due moments, which have all passed at `now`; `moments` are in order. */
export function planDue({ catchUp }: Pick<Job, "catchUp">, moments: readonly Date[], now: Date): Plan {
  const isLate = (due: Date) => now.getTime() - due.getTime() > GRACE_MS;
  const late = moments.filter(isLate);
  const onTime = moments.filter((due) => !isLate(due));
  const withinMs = catchUp.withinMs ?? Number.POSITIVE_INFINITY;
  const isWithin = (due: Date) => now.getTime() - due.getTime() <= withinMs;
  const eligible = late.filter(isWithin);
  // What is due now makes up for the last one that was missed.
  const last = onTime.length > 0 ? [] : eligible.slice(-1);
  const caughtUp: Date[] = { none: [], last, all: eligible }[catchUp.runs];
  const missed = late
    .filter((due) => !caughtUp.includes(due))
    .map((due) => ({ due, reason: reasonFor(catchUp, isWithin(due)) }));
  return { caughtUp, missed, onTime };
}

function reasonFor({ runs }: Job["catchUp"], isWithin: boolean): string {
  if (runs === "none") return "nobody was there to start it (catch_up: none)";
  return isWithin
    ? "nobody was there to start it, and a later run makes up for it (catch_up: last)"
    : `nobody was there to start it, and it is too long ago (catch_up: ${runs}, within)`;
}
