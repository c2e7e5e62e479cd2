import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import { nearestNames } from "../core/nearest.ts";
import { listJobs, localTime } from "../schedule/job-list.ts";
import type { Job } from "../schedule/jobs/job.ts";
import { triggerJob } from "../schedule/runs/admit.ts";
import { RUN_STATUSES, type StateDatabase } from "../state/database.ts";
import { runJson, stepJson } from "../state/run-json.ts";
import { findRuns, listRuns, partsOf } from "../state/runs.ts";
import { type Access, guard } from "./access.ts";
import { addMonitor } from "./api/monitor.ts";
import { errorShape, jobShape, nodeShape, runShape, stepShape } from "./api/shapes.ts";

/** What the server shows. */
export interface Served {
  version: string;
  state: StateDatabase;
  access: Access;
  now: () => Date;
  jobs: () => readonly Job[];
  /** What is wrong with the files of the jobs; the former jobs hold as long as there is something. */
  problems: () => readonly string[];
  /** Lines for Prometheus, besides those of the scheduler. */
  metrics?: () => Promise<string>;
  /** The end of a run's log. */
  logTail: (runId: string) => string[];
  /** Called when something was asked for. */
  onChange: () => void;
}

const json = <T extends z.ZodType>(schema: T, description: string) => ({
  description,
  content: { "application/json": { schema } },
});
const unknown = json(errorShape, "nothing has this name; the nearest names");

/** The routes. Every one of them is in /api/openapi.json. */
export function createApp(served: Served): OpenAPIHono {
  const app = new OpenAPIHono({
    defaultHook: (result, context) => {
      if (result.success) return;
      const [issue] = result.error.issues;
      const message = `${issue?.path.join(".") ?? "request"}: ${issue?.message ?? "is wrong"}`;
      return context.json(
        { error: { code: "REQUEST_INVALID", message, hint: "see /api/openapi.json" } },
        400,
      );
    },
  });
  app.use("*", guard(served.access));
  addState(app, served);
  addJobs(app, served);
  addRuns(app, served);
  addMonitor(app, served.state);
  app.doc31("/api/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Sillon", version: served.version },
  });
  app.notFound((context) => {
    const paths = app.routes.map(({ path }) => path).filter((path) => !/[*:]/.test(path));
    const nearest = nearestNames(context.req.path, paths);
    const message = `no route ${context.req.path}`;
    return context.json(
      { error: { code: "ROUTE_UNKNOWN", message, nearest, hint: "see /api/openapi.json" } },
      404,
    );
  });
  app.onError((_error, context) =>
    context.json(
      { error: { code: "INTERNAL", message: "the server could not answer", hint: "see its log" } },
      500,
    ),
  );
  return app;
}

const healthShape = z.object({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  jobs: z.int(),
  running: z.int(),
  queued: z.int(),
  problems: z.array(z.string()),
});

function addState(app: OpenAPIHono, { state, version, jobs, problems, metrics }: Served): void {
  const health = createRoute({
    method: "get",
    path: "/health",
    responses: {
      200: json(healthShape, "degraded: the files of the jobs are wrong, and the former jobs hold"),
    },
  });
  app.openapi(health, async (context) => {
    const counts = await countOpen(state);
    const wrong = [...problems()];
    const status = wrong.length === 0 ? ("ok" as const) : ("degraded" as const);
    return context.json({ status, version, jobs: jobs().length, ...counts, problems: wrong }, 200);
  });
  const prometheus = createRoute({
    method: "get",
    path: "/metrics",
    responses: {
      200: { description: "Prometheus' text format", content: { "text/plain": { schema: z.string() } } },
    },
  });
  app.openapi(prometheus, async (context) => {
    const { running, queued } = await countOpen(state);
    const own = [
      gauge("sillon_jobs", "Jobs that are defined.", jobs().length),
      gauge("sillon_runs_running", "Runs that go on.", running),
      gauge("sillon_runs_queued", "Runs that wait.", queued),
      gauge(
        "sillon_definitions_wrong",
        "1 while the files of the jobs have mistakes.",
        problems().length > 0 ? 1 : 0,
      ),
    ];
    const text = `${own.join("")}${(await metrics?.()) ?? ""}`;
    return context.text(text, 200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
  });
}

function gauge(name: string, help: string, value: number): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`;
}

async function countOpen(state: StateDatabase): Promise<{ running: number; queued: number }> {
  const rows = await state
    .selectFrom("runs")
    .select(["status", (row) => row.fn.countAll<number>().as("count")])
    .where("status", "in", ["queued", "running"])
    .where("parent_id", "is", null)
    .groupBy("status")
    .execute();
  const of = (status: string) => rows.find((row) => row.status === status)?.count ?? 0;
  return { running: of("running"), queued: of("queued") };
}

function addJobs(app: OpenAPIHono, { state, now, jobs, problems, onChange }: Served): void {
  const list = createRoute({
    method: "get",
    path: "/api/jobs",
    responses: {
      200: json(z.object({ jobs: z.array(jobShape), problems: z.array(z.string()) }), "all jobs"),
    },
  });
  app.openapi(list, async (context) => {
    const listed = await listJobs(state, jobs(), now());
    const shown = listed.map(({ job, isPaused, nextDue, lastRun, missed }) => ({
      name: job.name,
      description: job.description,
      cron: job.timing !== null && "cron" in job.timing ? job.timing.cron : null,
      every_seconds: job.timing !== null && "everyMs" in job.timing ? job.timing.everyMs / 1000 : null,
      timezone: job.timezone,
      enabled: job.isEnabled,
      paused: isPaused,
      next_due_at: nextDue?.toISOString() ?? null,
      next_due_local: nextDue === null ? null : localTime(nextDue, job.timezone),
      steps: job.steps.map(({ name }) => name),
      last_run: lastRun === null ? null : runJson(lastRun),
      missed,
    }));
    return context.json({ jobs: shown, problems: [...problems()] }, 200);
  });
  const trigger = createRoute({
    method: "post",
    path: "/api/jobs/{name}/trigger",
    request: { params: z.object({ name: z.string() }) },
    responses: { 202: json(z.object({ run: runShape }), "queued, or skipped with the reason"), 404: unknown },
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

function unknownJob(name: string, jobs: readonly Job[]) {
  const nearest = nearestNames(
    name,
    jobs.map((job) => job.name),
  );
  return {
    error: { code: "JOB_UNKNOWN", message: `no job is called "${name}"`, nearest, hint: "see /api/jobs" },
  };
}

const MAX_RUNS = 500;

function addRuns(app: OpenAPIHono, { state, jobs, logTail }: Served): void {
  const list = createRoute({
    method: "get",
    path: "/api/runs",
    request: {
      query: z.object({
        job: z.string().optional(),
        status: z.enum(RUN_STATUSES).optional(),
        since: z.iso.datetime().optional(),
        limit: z.coerce.number().int().min(1).max(MAX_RUNS).default(50),
        /** `next` of the page before. */
        after: z.string().optional(),
      }),
    },
    responses: {
      200: json(z.object({ runs: z.array(runShape), next: z.string().nullable() }), "the newest first"),
      404: unknown,
    },
  });
  app.openapi(list, async (context) => {
    const { job, status, since, limit, after } = context.req.valid("query");
    if (
      job !== undefined &&
      !jobs().some(({ name }) => name === job) &&
      (await listRuns(state, 1, { job })).length === 0
    )
      return context.json(unknownJob(job, jobs()), 404);
    const [queued_at = "", id = ""] = after?.split("~") ?? [];
    const runs = await listRuns(state, limit, {
      job,
      status,
      since,
      ...(after === undefined ? {} : { after: { queued_at, id } }),
    });
    const last = runs.length === limit ? runs.at(-1) : undefined;
    const next = last === undefined ? null : `${last.queued_at}~${last.id}`;
    return context.json({ runs: runs.map(runJson), next }, 200);
  });
  const one = createRoute({
    method: "get",
    path: "/api/runs/{id}",
    request: { params: z.object({ id: z.string().min(4) }) },
    responses: {
      200: json(
        z.object({
          run: runShape,
          steps: z.array(stepShape),
          commands: z.array(runShape),
          nodes: z.array(nodeShape),
          log_tail: z.array(z.string()),
        }),
        "a run, by its id or the beginning of it",
      ),
      404: unknown,
    },
  });
  app.openapi(one, async (context) => {
    const { id } = context.req.valid("param");
    const [run, ...others] = await findRuns(state, id);
    if (run === undefined || others.length > 0) {
      const nearest =
        others.length > 0
          ? [run?.id ?? "", ...others.map((other) => other.id)].slice(0, 3)
          : await nearestRuns(state, id);
      const message = others.length > 0 ? `several runs begin with "${id}"` : `no run begins with "${id}"`;
      return context.json({ error: { code: "RUN_UNKNOWN", message, nearest, hint: "see /api/runs" } }, 404);
    }
    const { steps, commands, nodes } = await partsOf(state, run.id);
    return context.json(
      {
        run: runJson(run),
        steps: steps.map(stepJson),
        commands: commands.map(runJson),
        nodes: nodes.map(({ place: _place, ...node }) => node),
        log_tail: logTail(run.id),
      },
      200,
    );
  });
}

async function nearestRuns(state: StateDatabase, id: string): Promise<string[]> {
  const runs = await listRuns(state, 100);
  const near = nearestNames(
    id,
    runs.map((run) => run.id.slice(0, id.length)),
  );
  return runs
    .filter((run) => near.includes(run.id.slice(0, id.length)))
    .map((run) => run.id)
    .slice(0, 3);
}
