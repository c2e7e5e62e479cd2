import { z } from "@hono/zod-openapi";
import { RUN_STATUSES } from "../../state/run-statuses.ts";

const text = z.string().nullable();
const number = z.number().nullable();

export const runShape = z
  .object({
    id: z.string(),
    job: text,
    parent_id: text,
    step: text,
    command: z.string(),
    invocation: z.string(),
    trigger: z.string(),
    cause: text,
    due_at: text,
    queued_at: z.string(),
    started_at: text,
    ended_at: text,
    status: z.enum(RUN_STATUSES),
    exit_code: number,
    signal: text,
    cpu_seconds: number,
    peak_memory_bytes: number,
    reason: text,
    summary: text,
  })
  .openapi("Run");

export const stepShape = z
  .object({
    name: z.string(),
    attempt: z.int(),
    command: z.array(z.string()),
    needs: z.array(z.string()),
    status: z.string(),
    started_at: text,
    ended_at: text,
    exit_code: number,
    signal: text,
    cpu_seconds: number,
    peak_memory_bytes: number,
    reason: text,
  })
  .openapi("Step");

export const nodeShape = z
  .object({
    run_id: z.string(),
    node: z.string(),
    kind: z.string(),
    status: z.string(),
    seconds: number,
    rows: number,
    message: text,
  })
  .openapi("Node");

export const jobShape = z
  .object({
    name: z.string(),
    description: text,
    cron: text,
    every_seconds: number,
    timezone: z.string(),
    enabled: z.boolean(),
    paused: z.boolean(),
    next_due_at: text,
    /** In the job's time zone, with its offset. */
    next_due_local: text,
    /** Of each either after, with on, or fresher. */
    triggers: z.array(z.object({ after: text, on: text, fresher: text })),
    steps: z.array(z.string()),
    last_run: runShape.nullable(),
    missed: z.int(),
  })
  .openapi("Job");

export const errorShape = z
  .object({
    error: z.object({
      code: z.string(),
      message: z.string(),
      /** The parameter that is wrong. */
      field: z.string().optional(),
      nearest: z.array(z.string()).optional(),
      hint: z.string().optional(),
    }),
  })
  .openapi("Error");
