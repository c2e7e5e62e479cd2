import { parseDuration } from "../core/duration.ts";
import { EXIT, ProjectError } from "../core/errors.ts";

/** The moment that `--since` names, ISO, UTC. Throws SINCE_INVALID (exit 2). */
export function sinceTime(text: string, now: Date): string {
  const ago = parseDuration(text);
  if (ago !== undefined) return new Date(now.getTime() - ago).toISOString();
  const isTime = /^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$/.test(text);
  const at = new Date(text.length === 10 ? text : `${text.replace(" ", "T").replace(/Z$/, "")}Z`);
  if (isTime && !Number.isNaN(at.getTime())) return at.toISOString();
  throw new ProjectError("SINCE_INVALID", {
    message: `"${text}" is neither a time nor a duration`,
    where: "--since",
    hint: "write 2026-01-31, 2026-01-31T06:00 (UTC), or how long ago: 90m, 2h, 7d",
    exitCode: EXIT.usage,
  });
}
