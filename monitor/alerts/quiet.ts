import { SEVERITIES, type Severity } from "../../state/monitor-tables.ts";
import type { QuietHours } from "../settings.ts";

export function isAtLeast(severity: Severity, least: Severity): boolean {
  return SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(least);
}

const MINUTE_MS = 60_000;
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** When it may be told: now, or at the end of the quiet hours that `now` lies in. */
export function toldAt(
  now: Date,
  severity: Severity,
  { quiet, timezone }: { quiet: QuietHours | undefined; timezone: string },
): Date {
  if (quiet === undefined || isAtLeast(severity, quiet.except)) return now;
  if (!isQuiet(now, quiet, timezone)) return now;
  // Minute by minute holds on days on which clocks are changed, too.
  let end = new Date(Math.floor(now.getTime() / MINUTE_MS) * MINUTE_MS);
  do end = new Date(end.getTime() + MINUTE_MS);
  while (isQuiet(end, quiet, timezone));
  return end;
}

function isQuiet(at: Date, { from, to, days }: QuietHours, timezone: string): boolean {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: timezone,
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
    weekday: "short",
  }).formatToParts(at);
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? "";
  const time = `${part("hour")}:${part("minute")}`;
  const today = DAYS.findIndex((day) => part("weekday").toLowerCase().startsWith(day));
  const begins = (back: number) => days.some((day) => day === DAYS[(today + 7 - back) % 7]);
  if (from <= to) return time >= from && time < to && begins(0);
  return (time >= from && begins(0)) || (time < to && begins(1));
}
