import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { nearestNames } from "../../core/nearest.ts";
import { cancelRun } from "../../schedule/runs/admit.ts";
import type { RunRow, StateDatabase } from "../../state/database.ts";
import { runJson, stepJson } from "../../state/run-json.ts";
import { RUN_STATUSES } from "../../state/run-statuses.ts";
import { findRuns, listRuns, partsOf } from "../../state/runs.ts";
import type { Served } from "../served.ts";
import { json, query, REFUSED, REFUSED_CHANGE, UNKNOWN, type UnknownBody, WRONG } from "./answers.ts";
import { unknownJob } from "./jobs.ts";
import { nodeShape, runShape, stepShape } from "./shapes.ts";

const params = z.object({ id: z.string().min(4, "expected the first 4 characters or more") });
const MAX_RUNS = 500;
/** `next` of a page: the moment and the id of its last run. */
const PAGE = /^\d{4}-\d\d-\d\dT[\d:.]+Z~[\w-]+$/;

/** Runs: of jobs, and commands that were typed. */
export function addRuns(app: OpenAPIHono, served: Served): void {
  addList(app, served);
  addOne(app, served);
  addLog(app, served);
  addCancel(app, served);
}

function addList(app: OpenAPIHono, { state, jobs }: Served): void {
  const list = createRoute({
    method: "get",
    path: "/api/runs",
    summary: "Runs, the newest first",
    tags: ["runs"],
    request: {
      query: query({
        job: z.string().optional(),
        status: z.enum(RUN_STATUSES).optional(),
        since: z.iso.datetime().optional().describe("queued then or later, in UTC"),
        limit: z.coerce.number().int().min(1).max(MAX_RUNS).default(50),
        after: z
          .string()
          .regex(PAGE, "expected next of the page before")
          .optional()
          .describe("next of the page before"),
      }),
    },
    responses: {
      ...REFUSED,
      404: UNKNOWN,
      422: WRONG,
      200: json(z.object({ runs: z.array(runShape), next: z.string().nullable() }), "the newest first"),
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
}

function addOne(app: OpenAPIHono, { state, log }: Served): void {
  const one = createRoute({
    method: "get",
    path: "/api/runs/{id}",
    summary: "A run with its steps, nodes and the end of its log",
    tags: ["runs"],
    request: { params, query: query({}) },
    responses: {
      ...REFUSED,
      404: UNKNOWN,
      422: WRONG,
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
    },
  });
  app.openapi(one, async (context) => {
    const found = await oneRun(state, context.req.valid("param").id);
    if ("error" in found) return context.json(found, 404);
    const { steps, commands, nodes } = await partsOf(state, found.run.id);
    return context.json(
      {
        run: runJson(found.run),
        steps: steps.map(stepJson),
        commands: commands.map(runJson),
        nodes: nodes.map(({ place: _place, ...node }) => node),
        log_tail: log.tail(found.run.id),
      },
      200,
    );
  });
}

function addLog(app: OpenAPIHono, { state, log }: Served): void {
  const route = createRoute({
    method: "get",
    path: "/api/runs/{id}/log",
    summary: "What a run printed, part by part",
    tags: ["runs"],
    request: {
      params,
      query: query({
        offset: z.coerce.number().int().min(0).default(0).describe("next_offset of the part before"),
      }),
    },
    responses: {
      ...REFUSED,
      404: UNKNOWN,
      422: WRONG,
      200: json(
        z
          .object({
            run_id: z.string(),
            lines: z.array(z.string()),
            next_offset: z.int().describe("where the next part begins, in bytes"),
            is_complete: z.boolean().describe("the run has ended, and nothing comes after this part"),
          })
          .openapi("LogPart"),
        "whole lines",
      ),
    },
  });
  app.openapi(route, async (context) => {
    const found = await oneRun(state, context.req.valid("param").id);
    if ("error" in found) return context.json(found, 404);
    const isOpen = found.run.status === "queued" || found.run.status === "running";
    const part = log.part(found.run.id, { offset: context.req.valid("query").offset, isOpen });
    const { lines, nextOffset, isAtEnd } = part;
    return context.json(
      { run_id: found.run.id, lines, next_offset: nextOffset, is_complete: isAtEnd && !isOpen },
      200,
    );
  });
}

function addCancel(app: OpenAPIHono, { state, now, onChange }: Served): void {
  const cancel = createRoute({
    method: "post",
    path: "/api/runs/{id}/cancel",
    summary: "End a job's run with all that it has started",
    tags: ["runs"],
    request: { params, query: query({}) },
    responses: {
      ...REFUSED_CHANGE,
      404: UNKNOWN,
      202: json(
        z.object({ id: z.string(), status: z.string() }),
        "running: it is asked to end; cancelled: it waited; else how it had ended",
      ),
      409: json(
        z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string() }) }),
        "it is no job's run",
      ),
    },
  });
  app.openapi(cancel, async (context) => {
    const found = await oneRun(state, context.req.valid("param").id);
    if ("error" in found) return context.json(found, 404);
    const { run } = found;
    if (run.job === null) {
      const message = `run ${run.id.slice(0, 8)} is a command, not a job's run`;
      const hint = run.parent_id === null ? "end it where it was typed" : `cancel run ${run.parent_id}`;
      return context.json({ error: { code: "RUN_NOT_OF_JOB", message, hint } }, 409);
    }
    const status = (await cancelRun(state, run.id, now())) ?? run.status;
    onChange();
    return context.json({ id: run.id, status }, 202);
  });
}

/** The one run whose id begins so. */
async function oneRun(state: StateDatabase, id: string): Promise<{ run: RunRow } | UnknownBody> {
  const [run, ...others] = await findRuns(state, id);
  if (run !== undefined && others.length === 0) return { run };
  const start = id.slice(0, 40);
  const nearest =
    run === undefined ? await nearestRuns(state, start) : [run, ...others].map((one) => one.id).slice(0, 3);
  const message = run === undefined ? `no run begins with "${start}"` : `several runs begin with "${start}"`;
  return { error: { code: "RUN_UNKNOWN", message, nearest, hint: "see /api/runs" } };
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
