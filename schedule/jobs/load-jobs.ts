import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_FILE } from "../../core/config.ts";
import { EXIT, messageOf, ProjectError, ProjectErrors, projectErrorsOf } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";
import { checkCron, isTimeZone } from "../due/due.ts";
import { type Job, jobSchema, type Schedule, type Step, scheduleSchema } from "./job.ts";
import { splitWords } from "./words.ts";

export const SCHEDULE_FILE = "schedule.yml";
/** Where jobs are defined. */
export const JOB_FILES = [PROJECT_FILE, SCHEDULE_FILE] as const;

/** What is wrong with the words of a command, without `run`; null when it can be called so. */
export type CommandCheck = (
  words: readonly string[],
) => { message: string; why?: string[]; hint?: string } | null;

const fileSchema = z.strictObject({
  jobs: z.record(z.string(), jobSchema).default({}),
  schedule: scheduleSchema.optional(),
});
type JobInput = z.output<typeof jobSchema>;

/** A job and where each part of it is written. */
interface Defined {
  job: Job;
  place: (...path: (string | number)[]) => string;
}

/**
 * The jobs of project.yml and schedule.yml. Throws all that is wrong with them at once (exit 2). Where the sources of the
 * project and their streams are given, triggers by others are wrong as well.
 */
export function loadSchedule(
  projectDir: string,
  checkCommand: CommandCheck,
  sources?: readonly string[],
): Schedule {
  const errors: ProjectError[] = [];
  const parts = JOB_FILES.filter((file) => existsSync(join(projectDir, file))).flatMap((name) => {
    try {
      return [readJobs(projectDir, name)];
    } catch (error) {
      const found = projectErrorsOf(error);
      if (found.length === 0) throw error;
      errors.push(...found);
      return [];
    }
  });
  const settings =
    parts.findLast(({ schedule }) => schedule !== undefined)?.schedule ?? scheduleSchema.parse({});
  const defined = parts.flatMap(({ file, jobs }) =>
    Object.entries(jobs).map(([name, input]) => {
      const place = (...path: (string | number)[]) => file.locate(["jobs", name, ...path]);
      return {
        job: toJob(name, input, settings.timezone),
        input,
        place,
        key: file.locateKey(["jobs"], name),
      };
    }),
  );
  if (!isTimeZone(settings.timezone))
    errors.push(zoneError(settings.timezone, `${SCHEDULE_FILE} schedule: timezone`));
  const seen = new Map<string, string>();
  for (const { job, input, place, key } of defined) {
    const former = seen.get(job.name);
    if (former !== undefined)
      errors.push(
        jobError("JOB_TWICE", key, `a second job "${job.name}"`, {
          why: [`the first one: ${former}`],
          hint: "rename one of them",
        }),
      );
    seen.set(job.name, key);
    errors.push(...timingErrors(input, place), ...stepErrors({ job, place }, checkCommand));
  }
  errors.push(...triggerErrors(defined));
  if (sources !== undefined) errors.push(...sourceErrors(defined, sources));
  if (errors.length > 0) throw new ProjectErrors(errors);
  return { jobs: defined.map(({ job }) => job), settings };
}

function readJobs(projectDir: string, name: string): z.output<typeof fileSchema> & { file: YamlFile } {
  const file = parseYaml(name, readTextFile(projectDir, name));
  // The other keys of project.yml are not the scheduler's.
  const schema = name === PROJECT_FILE ? z.looseObject(fileSchema.shape) : fileSchema;
  return { ...validateYaml(file, schema), file };
}

function toJob(name: string, input: JobInput, timezone: string): Job {
  const zone = input.timezone ?? timezone;
  const delays = input.retry_delay;
  const catchUp = typeof input.catch_up === "string" ? { runs: input.catch_up } : input.catch_up;
  return {
    name,
    description: input.description ?? null,
    timing:
      input.cron !== undefined
        ? { cron: input.cron, timezone: zone }
        : input.every !== undefined
          ? { everyMs: input.every }
          : null,
    timezone: zone,
    isEnabled: input.enabled,
    after: input.triggers.flatMap(({ after, on }) => (after === undefined ? [] : [{ job: after, on }])),
    fresher: input.triggers.flatMap(({ fresher }) => (fresher === undefined ? [] : [fresher])),
    steps: toSteps(input.steps),
    retries: input.retries,
    retryDelaysMs: Array.isArray(delays) ? delays : [delays],
    timeoutMs: input.timeout ?? null,
    overlap: input.overlap,
    catchUp: { runs: catchUp.runs, withinMs: ("within" in catchUp ? catchUp.within : undefined) ?? null },
    concurrency: input.concurrency,
    env: Object.fromEntries(Object.entries(input.env).map(([key, value]) => [key, String(value)])),
  };
}

function toSteps(inputs: JobInput["steps"]): Step[] {
  const steps: Step[] = [];
  for (const { name, run, needs } of inputs) {
    const command = typeof run === "string" ? (splitWords(run) ?? []) : run;
    const before = steps.at(-1)?.name;
    steps.push({
      name: name ?? freeName(command[0] ?? "step", steps),
      command,
      needs: needs ?? (before === undefined ? [] : [before]),
    });
  }
  return steps;
}

/** `build`, `build-2`, …: a step without a name is called as its command. */
function freeName(command: string, steps: readonly Step[]): string {
  const taken = new Set(steps.map(({ name }) => name));
  for (let count = 1; ; count++) {
    const name = count === 1 ? command : `${command}-${count}`;
    if (!taken.has(name)) return name;
  }
}

interface Told {
  why?: string[] | undefined;
  hint: string;
}

function jobError(code: string, where: string, message: string, { why = [], hint }: Told): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}

function zoneError(zone: string, where: string): ProjectError {
  return jobError("JOB_TIMEZONE", where, `unknown time zone "${zone}"`, {
    why: nearestLine(zone, Intl.supportedValuesOf("timeZone")),
    hint: "write a name of the IANA database, such as Europe/Paris or UTC",
  });
}

function timingErrors(input: JobInput, place: Defined["place"]): ProjectError[] {
  const { cron, every, timezone } = input;
  if (cron !== undefined && every !== undefined) {
    const hint = "keep the one that is meant";
    return [jobError("JOB_TIMING", place("every"), "a job has either cron or every", { hint })];
  }
  const errors: ProjectError[] = [];
  if (timezone !== undefined && !isTimeZone(timezone)) errors.push(zoneError(timezone, place("timezone")));
  if (every !== undefined && every < 1000)
    errors.push(
      jobError("JOB_TIMING", place("every"), "a job is due every second at most", {
        hint: "write 1s or more",
      }),
    );
  const problem = cron === undefined ? null : checkCron(cron);
  const hint = 'write minute, hour, day of the month, month and day of the week: "0 6 * * 1-5"';
  if (problem !== null)
    errors.push(
      jobError("JOB_CRON", place("cron"), `"${cron}" is no cron expression`, { why: [problem], hint }),
    );
  return errors;
}

function stepErrors({ job, place }: Defined, checkCommand: CommandCheck): ProjectError[] {
  const names = job.steps.map(({ name }) => name);
  return job.steps.flatMap(({ name, command, needs }, index) => {
    const errors: ProjectError[] = [];
    if (names.indexOf(name) < index)
      errors.push(
        jobError("STEP_TWICE", place("steps", index), `a second step "${name}"`, {
          hint: "give it a name of its own",
        }),
      );
    const problem = command.length === 0 ? { message: "a quote is not closed" } : checkCommand(command);
    if (problem !== null) {
      const {
        message,
        why,
        hint = "write a command as after npx run, such as: build --select marts",
      } = problem;
      errors.push(jobError("STEP_COMMAND", place("steps", index, "run"), message, { why, hint }));
    }
    for (const [at, need] of needs.entries()) {
      if (names.slice(0, index).includes(need)) continue;
      const message = names.includes(need)
        ? `step "${need}" does not come before "${name}"`
        : `unknown step "${need}" in needs`;
      const hint = "name steps that stand above this one";
      errors.push(
        jobError("STEP_NEEDS", place("steps", index, "needs", at), message, {
          why: nearestLine(need, names),
          hint,
        }),
      );
    }
    return errors;
  });
}

function triggerErrors(defined: readonly Defined[]): ProjectError[] {
  const jobs = new Map(defined.map((one) => [one.job.name, one]));
  const unknown = defined.flatMap(({ job, place }) =>
    job.after
      .filter(({ job: name }) => !jobs.has(name))
      .map(({ job: name }) =>
        jobError("JOB_UNKNOWN", place("triggers"), `unknown job "${name}" in after`, {
          why: nearestLine(name, jobs.keys()),
          hint: "name a job of this project",
        }),
      ),
  );
  if (unknown.length > 0) return unknown;
  const cycle = findCycle(defined.map(({ job }) => job));
  const [first] = cycle;
  if (first === undefined) return [];
  const where = jobs.get(first)?.place("triggers") ?? SCHEDULE_FILE;
  const path = [...cycle, first].join(" -> ");
  return [
    jobError("JOB_CYCLE", where, `jobs trigger each other without end: ${path}`, {
      hint: "remove one of these triggers",
    }),
  ];
}

function sourceErrors(defined: readonly Defined[], sources: readonly string[]): ProjectError[] {
  return defined.flatMap(({ job, place }) =>
    job.fresher
      .filter((name) => !sources.includes(name))
      .map((name) =>
        jobError("JOB_SOURCE", place("triggers"), `unknown source "${name}" in fresher`, {
          why: nearestLine(name, sources),
          hint: "name a source of ingest/sources, or one of its streams as source.stream",
        }),
      ),
  );
}

/** Names of jobs, each of which is triggered by the one before, the first by the last; empty when there are none such. */
function findCycle(jobs: readonly Job[]): string[] {
  const causes = new Map(jobs.map(({ name, after }) => [name, after.map(({ job }) => job)]));
  const done = new Set<string>();
  const visit = (name: string, path: string[]): string[] => {
    const start = path.indexOf(name);
    if (start >= 0) return path.slice(start).reverse();
    if (done.has(name)) return [];
    for (const cause of causes.get(name) ?? []) {
      const cycle = visit(cause, [...path, name]);
      if (cycle.length > 0) return cycle;
    }
    done.add(name);
    return [];
  };
  for (const { name } of jobs) {
    const cycle = visit(name, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

/** The line of an error for people. */
export function problemLines(error: unknown): string[] {
  const found = projectErrorsOf(error);
  return found.length === 0
    ? [messageOf(error)]
    : found.map(({ where, message }) => `${where ?? ""}  ${message}`);
}
