import { EXIT, ProjectError } from "./errors.ts";

/** A moment of loading, as `--as-of` names it: after a load of a source, or after what was loaded by a time. */
export type AsOf = { load: number } | { time: Date };

const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?$/i;

/** A number is a load id; a time without a zone is UTC. Throws AS_OF (exit 2). */
export function parseAsOf(text: string): AsOf {
  if (/^\d{1,15}$/.test(text)) return { load: Number(text) };
  const hasZone = /(?:z|[+-]\d\d:\d\d)$/i.test(text) || text.length === 10;
  const time = new Date(`${text.replace(" ", "T")}${hasZone ? "" : "Z"}`);
  if (TIME.test(text) && !Number.isNaN(time.getTime())) return { time };
  throw new ProjectError("AS_OF", {
    message: `--as-of ${text} is neither a load id nor a time`,
    where: "--as-of",
    hint: "give a time such as 2026-01-31T12:00:00Z, or a load id of raw_<source>._loads",
    exitCode: EXIT.usage,
  });
}

/** SQL for the id of the load that was the last one of a source at that moment; 0 before the first. */
export function loadAsOf(asOf: AsOf, loads: string): string {
  if ("load" in asOf) return String(asOf.load);
  const time = asOf.time.toISOString().replace("T", " ").replace("Z", "");
  return `(select coalesce(max(load_id), 0) from ${loads} where ended_at <= cast('${time}' as timestamp))`;
}

/** SQL for the condition that a version was valid when `load` was the last one. */
export function validAt(load: string): string {
  return `_from_load <= ${load} and (_to_load is null or _to_load > ${load}) and not _deleted`;
}
