import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { dueMoments } from "../../schedule/due/due.ts";
import { type ListedJob, listJobs, localTime } from "../../schedule/job-list.ts";
import type { Job } from "../../schedule/jobs/job.ts";
import { cancelRun, setPaused, triggerJob } from "../../schedule/runs/admit.ts";
import { runJson } from "../../state/run-json.ts";
import { listRuns } from "../../state/runs.ts";
import type { Served } from "../served.ts";
import { json, query, REFUSED, REFUSED_CHANGE, UNKNOWN, unknownName, WRONG } from "./answers.ts";
import { jobShape, runShape } from "./shapes.ts";

const params = z.object({ name: z.string() });

/** The jobs, and what can be asked of them. */
export function addJobs(app: OpenAPIHono, served: Served): void {
  addReading(app, served);
  addTrigger(app, served);
  addPausing(app, served);
  addCancel(app, served);
}

const SHOWN_MOMENTS = 5;

function addReading(app: OpenAPIHono, { state, now, jobs, problems }: Served): void {
  const list = createRoute({
    method: "get",
    path: "/api/jobs",
    summary: "All jobs",
    tags: ["jobs"],
    request: { query: query({}) },
    responses: {
      ...REFUSED,
      200: json(
        z.object({ jobs: z.array(jobShape), problems: z.array(z.string()) }),
        "all jobs; problems: what is wrong with their files, while the former ones hold",
      ),
    },
  });
  app.openapi(list, async (context) => {
    const listed = await listJobs(state, jobs(), now());
    return context.json({ jobs: listed.map(jobJson), problems: [...problems()] }, 200);
  });
  const one = createRoute({
    method: "get",
    path: "/api/jobs/{name}",
    summary: "A job with its next due moments and its last runs",
    tags: ["jobs"],
    request: { params, query: query({}) },
    responses: {
      ...REFUSED,
      404: UNKNOWN,
      200: json(z.object({ job: jobShape, due: z.array(z.string()), runs: z.array(runShape) }), "the job"),
    },
  });
  app.openapi(one, async (context) => {
    const { name } = context.req.valid("param");
    const job = jobs().find((other) => other.name === name);
    const [listed] = job === undefined ? [] : await listJobs(state, [job], now());
    if (job === undefined || listed === undefined) return context.json(unknownJob(name, jobs()), 404);
    const runs = await listRuns(state, SHOWN_MOMENTS, { job: name });
    const due = nextMoments(job, now()).map((moment) => moment.toISOString());
    return context.json({ job: jobJson(listed), due, runs: runs.map(runJson) }, 200);
  });
}

function nextMoments({ timing, isEnabled }: Job, now: Date): Date[] {
  if (timing === null || !isEnabled) return [];
  const next = dueMoments(timing);
  const moments: Date[] = [];
  for (let due = next(now); due !== null && moments.length < SHOWN_MOMENTS; due = next(due))
    moments.push(due);
  return moments;
}

function jobJson({ job, isPaused, nextDue, lastRun, missed }: ListedJob) {
  return {
    name: job.name,
    description: job.description,
    cron: job.timing !== null && "cron" in job.timing ? job.timing.cron : null,
    every_seconds: job.timing !== null && "everyMs" in job.timing ? job.timing.everyMs / 1000 : null,
    timezone: job.timezone,
    enabled: job.isEnabled,
    paused: isPaused,
    next_due_at: nextDue?.toISOString() ?? null,
    next_due_local: nextDue === null ? null : localTime(nextDue, job.timezone),
    triggers: [
      ...job.after.map(({ job: after, on }) => ({ after, on, fresher: null })),
      ...job.fresher.map((fresher) => ({ after: null, on: null, fresher })),
    ],
    steps: job.steps.map(({ name }) => name),
    last_run: lastRun === null ? null : runJson(lastRun),
    missed,
  };
}

function addTrigger(app: OpenAPIHono, { state, now, jobs, onChange }: Served): void {
  const trigger = createRoute({
    method: "post",
    path: "/api/jobs/{name}/trigger",
    summary: "Run a job now",
    tags: ["jobs"],
    request: { params, query: query({}) },
    responses: {
      ...REFUSED_CHANGE,
      404: UNKNOWN,
      202: json(z.object({ run: runShape }), "queued, or skipped with the reason"),
    },
  });
  app.openapi(trigger, async (context) => {
    const { name } = context.req.valid("param");
    const job = jobs().find((one) => one.name === name);
    if (job === undefined) return context.json(unknownJob(name, jobs()), 404);
    const run = await triggerJob(state, job, { trigger: "api", now: now() });
    onChange();
    return context.json({ run: runJson(run) }, 202);
  });
}

function addPausing(app: OpenAPIHono, { state, now, jobs, onChange }: Served): void {
  for (const action of ["pause", "resume"] as const) {
    const isPaused = action === "pause";
    const route = createRoute({
      method: "post",
      path: `/api/jobs/{name}/${action}`,
      summary: isPaused ? "Skip a job's due moments from now on" : "Run a job when it is due again",
      tags: ["jobs"],
      request: { params, query: query({}) },
      responses: {
        ...REFUSED_CHANGE,
        404: UNKNOWN,
        200: json(z.object({ job: z.string(), paused: z.boolean() }), "how it is now"),
      },
    });
    app.openapi(route, async (context) => {
      const { name } = context.req.valid("param");
      if (!jobs().some((job) => job.name === name)) return context.json(unknownJob(name, jobs()), 404);
      await setPaused(state, { name, isPaused, now: now() });
      onChange();
      return context.json({ job: name, paused: isPaused }, 200);
    });
  }
}

const cancelledShape = z.array(z.object({ id: z.string(), status: z.enum(["running", "cancelled"]) }));

function addCancel(app: OpenAPIHono, { state, now, jobs, onChange }: Served): void {
  const cancel = createRoute({
    method: "post",
    path: "/api/jobs/{name}/cancel",
    summary: "End the runs of a job that go on or wait, with all that they have started",
    tags: ["jobs"],
    request: { params, query: query({}) },
    responses: {
      ...REFUSED_CHANGE,
      404: UNKNOWN,
      422: WRONG,
      202: json(
        z.object({ runs: cancelledShape }),
        "running: asked to end; cancelled: it waited; none: nothing was going on",
      ),
    },
  });
  app.openapi(cancel, async (context) => {
    const { name } = context.req.valid("param");
    if (!jobs().some((job) => job.name === name)) return context.json(unknownJob(name, jobs()), 404);
    const open = [
      ...(await listRuns(state, MAX_OPEN, { job: name, status: "running" })),
      ...(await listRuns(state, MAX_OPEN, { job: name, status: "queued" })),
    ];
    const runs: z.output<typeof cancelledShape> = [];
    for (const { id } of open) {
      const status = await cancelRun(state, id, now());
      if (status === "running" || status === "cancelled") runs.push({ id, status });
    }
    onChange();
    return context.json({ runs }, 202);
  });
}

/** Of a job; more of them wait only while much is caught up with. */
const MAX_OPEN = 1000;

/** The 404 of a job. */
export function unknownJob(name: string, jobs: readonly Job[]) {
  const message = `no job is called "${name.slice(0, 100)}"`;
  return unknownName("JOB_UNKNOWN", {
    message,
    name,
    known: jobs.map((job) => job.name),
    hint: "see /api/jobs",
  });
}
