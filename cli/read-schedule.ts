import type { Context } from "../core/context.ts";
import type { Schedule } from "../schedule/jobs/job.ts";
import { type CommandCheck, loadSchedule } from "../schedule/jobs/load-jobs.ts";

/** The jobs of a project. Throws all that is wrong with them (exit 2), also triggers by what nobody loads. */
export async function readSchedule(ctx: Context, check: CommandCheck): Promise<Schedule> {
  const schedule = loadSchedule(ctx.projectDir, check);
  if (schedule.jobs.every(({ fresher }) => fresher.length === 0)) return schedule;
  const { loadSources } = await import("../ingest/load-sources.ts");
  // What is wrong with a source itself is told by the steps that load it.
  const sources = await loadSources(ctx).catch(() => null);
  if (sources === null) return schedule;
  const names = sources.flatMap(({ name, streams }) => [
    name,
    ...streams.map((stream) => `${name}.${stream.name}`),
  ]);
  return loadSchedule(ctx.projectDir, check, names);
}
