import { z } from "zod";
import { parseDuration } from "../../core/duration.ts";

const duration = z
  .string()
  .refine((text) => parseDuration(text) !== undefined, "expected a duration such as 30s, 10m or 1h 30m")
  .transform((text) => parseDuration(text) ?? 0);

const positiveDuration = duration.refine((ms) => ms > 0, "expected more than nothing");

const NAME = /^[A-Za-z][\w-]*$/;

const stepSchema = z.strictObject({
  /** Of the command when left out: its words up to the first option. */
  name: z.string().regex(NAME, "expected a letter, then letters, digits, _ and -").optional(),
  /** A command without `run` before it, as text or as its words. */
  run: z.union([z.string().min(1, "expected a command"), z.array(z.string()).min(1, "expected a command")]),
  /** Steps that have to have succeeded; the step before this one when left out. */
  needs: z.array(z.string()).optional(),
});

export const CATCH_UPS = ["none", "last", "all"] as const;
export const OVERLAPS = ["skip", "queue", "replace"] as const;
export const AFTER_ON = ["success", "failure", "any"] as const;

const catchUp = z.union([
  z.enum(CATCH_UPS),
  z.strictObject({ runs: z.enum(CATCH_UPS), within: positiveDuration.optional() }),
]);

const triggerSchema = z.strictObject({
  /** A job: when a run of it ends. */
  after: z.string().optional(),
  on: z.enum(AFTER_ON).default("success"),
  /** `source` or `source.stream`: when a load brought new, changed or deleted records. */
  fresher: z.string().optional(),
});

export const jobSchema = z.strictObject({
  description: z.string().optional(),
  cron: z.string().optional(),
  every: positiveDuration.optional(),
  timezone: z.string().optional(),
  enabled: z.boolean().default(true),
  triggers: z.array(triggerSchema).default([]),
  steps: z.array(stepSchema).default([]),
  retries: z.int().min(0).max(100).default(0),
  /** Before the first, the second … retry; the last one holds for all that follow. */
  retry_delay: z.union([duration, z.array(duration).min(1)]).default(10_000),
  /** Of a run, all steps and retries together. */
  timeout: positiveDuration.optional(),
  overlap: z.enum(OVERLAPS).default("skip"),
  catch_up: catchUp.default("none"),
  /** Steps of one run at once. */
  concurrency: z.int().min(1).default(4),
  env: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
});

export const scheduleSchema = z.strictObject({
  /** Runs at once, of all jobs. */
  concurrency: z.int().min(1).default(8),
  timezone: z.string().default("UTC"),
  keep: z
    .strictObject({ days: z.int().min(1).default(90), runs: z.int().min(1).default(100_000) })
    .prefault({}),
  /** Of one run; more is cut. */
  log_mb: z.number().positive().default(50),
});

export type ScheduleSettings = z.output<typeof scheduleSchema>;

export interface Step {
  name: string;
  /** The words of the command, without `run`. */
  command: string[];
  needs: string[];
}

/** When a job is due: by a cron expression in a time zone, or every so many milliseconds since 1970. */
export type Timing = { cron: string; timezone: string } | { everyMs: number };

export interface Job {
  name: string;
  description: string | null;
  timing: Timing | null;
  /** In which its moments are shown. */
  timezone: string;
  isEnabled: boolean;
  after: { job: string; on: (typeof AFTER_ON)[number] }[];
  /** `source` or `source.stream`. */
  fresher: string[];
  steps: Step[];
  retries: number;
  retryDelaysMs: number[];
  timeoutMs: number | null;
  overlap: (typeof OVERLAPS)[number];
  catchUp: { runs: (typeof CATCH_UPS)[number]; withinMs: number | null };
  concurrency: number;
  env: Record<string, string>;
}

/** All that the scheduler does in a project. */
export interface Schedule {
  jobs: Job[];
  settings: ScheduleSettings;
}
