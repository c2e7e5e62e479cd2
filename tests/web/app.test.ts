import type { OpenAPIHono } from "@hono/zod-openapi";
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, onTestFinished, test } from "vitest";
import { keepMetrics } from "../../state/metrics.ts";
import { emptyRun } from "../../state/runs.ts";
import type { Access } from "../../web/access.ts";
import { createApp } from "../../web/app.ts";
import { startServer } from "../../web/server.ts";
import { scheduleOf, setClock, shellScheduler } from "../schedule/files.ts";

const TOKEN = "a-token-of-some-length";
const READ = "another-token-to-read";
const clock = setClock("2026-01-15T12:00:10Z");

async function served(access: Partial<Access> = {}) {
  const schedule = scheduleOf("jobs: {refresh: {cron: '0 6 * * *', timezone: Europe/Paris}, report: {}}");
  const { state, scheduler } = shellScheduler(schedule, clock);
  await scheduler.begin();
  const options = {
    version: "0.0.0",
    state,
    access: { token: undefined, readToken: undefined, isLoopback: true, now: clock.now, ...access },
    now: clock.now,
    jobs: () => scheduler.jobs(),
    problems: () => [],
    log: {
      tail: () => [],
      part: (_id: string, { offset }: { offset: number }) => ({
        lines: [],
        nextOffset: offset,
        isAtEnd: true,
      }),
    },
    onChange: () => undefined,
    onFault: () => undefined,
  };
  return { app: createApp(options), options, scheduler, state };
}

/** Any JSON: the tests say what has to be in it. */
// biome-ignore lint/suspicious/noExplicitAny: of an answer from outside
const bodyOf = async (response: Response | Promise<Response>): Promise<any> => (await response).json();

const BASE = "http://127.0.0.1:4300";
const get = (app: OpenAPIHono, path: string, headers: Record<string, string> = {}) =>
  app.request(`${BASE}${path}`, { headers: { host: "127.0.0.1:4300", ...headers } });
const post = (app: OpenAPIHono, path: string, headers: Record<string, string> = {}, body = "") =>
  app.request(`${BASE}${path}`, {
    method: "POST",
    headers: { host: "127.0.0.1:4300", "content-type": "application/json", ...headers },
    body,
  });

test("jobs are shown with their next moment in their own zone", async () => {
  const { app } = await served();
  const body = await bodyOf(get(app, "/api/jobs"));
  expect(body.jobs[0]).toMatchObject({
    name: "refresh",
    next_due_at: "2026-01-16T05:00:00.000Z",
    next_due_local: "2026-01-16 06:00:00+01:00",
    last_run: null,
  });
});

test("a run that was asked for is found in the list, by its id, and page by page", async () => {
  const { app, scheduler } = await served({ token: TOKEN });
  const headers = { authorization: `Bearer ${TOKEN}` };
  const { run } = await bodyOf(post(app, "/api/jobs/report/trigger", headers));
  expect(run).toMatchObject({ job: "report", status: "queued", trigger: "api" });
  await scheduler.round();
  clock.pass(1000);
  await post(app, "/api/jobs/report/trigger", headers);
  const first = await bodyOf(get(app, "/api/runs?job=report&limit=1", headers));
  const second = await bodyOf(get(app, `/api/runs?limit=1&after=${encodeURIComponent(first.next)}`, headers));
  expect(second.runs).toMatchObject([{ id: run.id, status: "success" }]);
  const one = await bodyOf(get(app, `/api/runs/${run.id.slice(0, 8)}`, headers));
  expect(one).toMatchObject({ run: { id: run.id }, steps: [], nodes: [] });
});

test.each([
  ["/api/runs/0000", "RUN_UNKNOWN", []],
  ["/api/runs?job=refrsh", "JOB_UNKNOWN", ["refresh"]],
  ["/api/jobs/reprt", "JOB_UNKNOWN", ["report"]],
  ["/api/metrics?name=model_row", "METRIC_UNKNOWN", ["model_rows", "model_reused"]],
  ["/api/job", "ROUTE_UNKNOWN", ["/api/jobs", "/api/runs"]],
])("%s is a 404 with the nearest names", async (path, code, nearest) => {
  const { app } = await served();
  const response = await get(app, path);
  expect(response.status).toBe(404);
  expect((await bodyOf(response)).error).toMatchObject({ code, nearest });
});

test.each([
  ["/api/runs?status=green", 422, "status"],
  ["/api/runs?limit=0", 422, "limit"],
  ["/api/runs?since=yesterday", 422, "since"],
  ["/api/runs?after=there", 422, "after"],
  ["/api/runs/abc", 422, "id"],
  ["/api/runs/abcd/log?offset=-1", 422, "offset"],
  ["/api/incidents?status=red", 422, "status"],
  ["/api/runs?stauts=failed", 400, "stauts"],
  ["/api/jobs?limit=3", 400, "limit"],
])("%s is a %i that names %s", async (path, status, field) => {
  const { app } = await served();
  const response = await get(app, path);
  expect(response.status).toBe(status);
  expect((await bodyOf(response)).error).toMatchObject({
    code: "REQUEST_INVALID",
    field,
    message: expect.stringContaining(field),
  });
});

test("an unknown parameter is told with those that there are", async () => {
  const { app } = await served();
  const { error } = await bodyOf(get(app, "/api/runs?stauts=failed"));
  expect(error.message).toBe('no parameter is called "stauts": there are job, status, since, limit, after');
});

test.each([
  ["{", 400, "BODY_INVALID", "body"],
  ["[]", 422, "BODY_INVALID", "body"],
  ['{"job": "report"}', 422, "BODY_INVALID", "job"],
  [`{"a": "${"a".repeat(20_000)}"}`, 413, "BODY_TOO_LARGE", "body"],
  [" {} ", 202, undefined, undefined],
])("a body of %.20s is a %i", async (text, status, code, field) => {
  const { app } = await served();
  const response = await post(app, "/api/jobs/report/trigger", { origin: BASE }, text);
  expect(response.status).toBe(status);
  const { error } = await bodyOf(response);
  expect([error?.code, error?.field]).toEqual([code, field]);
});

test.each([
  ["GET", "/api/jobs/report/trigger", "POST"],
  ["POST", "/api/runs", "GET, HEAD"],
  ["PUT", "/api/jobs", "GET, HEAD, POST"],
  ["OPTIONS", "/api/jobs", "GET, HEAD, POST"],
])("%s %s is a 405 that says what is allowed", async (method, path, allowed) => {
  const { app } = await served();
  const response = await app.request(`${BASE}${path}`, {
    method,
    headers: { host: "localhost", "content-type": "application/json", origin: "http://localhost" },
  });
  expect(response.status).toBe(405);
  expect(response.headers.get("allow")).toBe(allowed);
});

test("HEAD answers as GET does, without a body", async () => {
  const { app } = await served();
  const response = await app.request(`${BASE}/api/jobs`, { method: "HEAD", headers: { host: "localhost" } });
  expect([response.status, await response.text()]).toEqual([200, ""]);
});

test("a job is paused, and resumed", async () => {
  const { app } = await served();
  expect(await bodyOf(post(app, "/api/jobs/refresh/pause", { origin: BASE }))).toEqual({
    job: "refresh",
    paused: true,
  });
  expect((await bodyOf(get(app, "/api/jobs/refresh"))).job).toMatchObject({
    paused: true,
    next_due_at: null,
  });
  await post(app, "/api/jobs/refresh/resume", { origin: BASE });
  const { job, due } = await bodyOf(get(app, "/api/jobs/refresh"));
  expect(job).toMatchObject({ paused: false, next_due_at: "2026-01-16T05:00:00.000Z" });
  expect(due).toHaveLength(5);
});

test("runs that wait are cancelled, by their job and by their id", async () => {
  const { app } = await served();
  const { run } = await bodyOf(post(app, "/api/jobs/report/trigger", { origin: BASE }));
  expect(await bodyOf(post(app, "/api/jobs/report/cancel", { origin: BASE }))).toEqual({
    runs: [{ id: run.id, status: "cancelled" }],
  });
  expect(await bodyOf(post(app, "/api/jobs/report/cancel", { origin: BASE }))).toEqual({ runs: [] });
  const second = await bodyOf(post(app, "/api/jobs/report/trigger", { origin: BASE }));
  const cancelled = post(app, `/api/runs/${second.run.id.slice(0, 8)}/cancel`, { origin: BASE });
  expect(await bodyOf(cancelled)).toEqual({ id: second.run.id, status: "cancelled" });
});

test("a command that was typed is not cancelled from here", async () => {
  const { app, state } = await served();
  const run = emptyRun({
    ...{ id: "typed-by-hand", command: "build", invocation: "run build", trigger: "hand" },
    ...{ queued_at: clock.now().toISOString(), status: "running" },
  });
  await state.insertInto("runs").values(run).execute();
  const response = await post(app, "/api/runs/typed-by-hand/cancel", { origin: BASE });
  expect(response.status).toBe(409);
  expect((await bodyOf(response)).error).toMatchObject({
    code: "RUN_NOT_OF_JOB",
    hint: "end it where it was typed",
  });
});

test("what was measured is shown over time", async () => {
  const { app, state } = await served();
  const points = [{ name: "model_rows", labels: { model: "dim_tracks" }, value: 7 }];
  await keepMetrics(state, { runId: "r1", at: new Date("2026-01-14T12:00:00Z"), points });
  await keepMetrics(state, { runId: "r2", at: new Date("2026-01-15T12:00:00Z"), points });
  const { series } = await bodyOf(get(app, "/api/metrics?name=model_rows&since=2026-01-15T00:00:00Z"));
  expect(series).toEqual([
    {
      ...{
        name: "model_rows",
        labels: { model: "dim_tracks" },
        last: 7,
        last_at: "2026-01-15T12:00:00.000Z",
      },
      points: [{ at: "2026-01-15T12:00:00.000Z", run_id: "r2", value: 7 }],
    },
  ]);
  expect((await bodyOf(get(app, "/api/metrics"))).series).toMatchObject([{ name: "model_rows", points: [] }]);
});

test("a store that fails is a 503 that says why, other faults a 500 that is logged", async () => {
  const { options } = await served();
  const faults: unknown[] = [];
  const broken = (error: Error) =>
    createApp({
      ...options,
      jobs: () => {
        throw error;
      },
      onFault: (fault) => faults.push(fault),
    });
  const full = Object.assign(new Error("database or disk is full"), { code: "SQLITE_FULL" });
  const response = await get(broken(full), "/api/jobs");
  expect(response.status).toBe(503);
  expect((await bodyOf(response)).error).toMatchObject({ code: "DISK_FULL", message: "the disk is full" });
  expect((await get(broken(new Error("a bug")), "/api/jobs")).status).toBe(500);
  expect(faults).toHaveLength(2);
});

test.each<[string, Record<string, string>, number]>([
  ["nothing that says where it comes from", {}, 403],
  ["a foreign origin", { origin: "http://evil.example" }, 403],
  ["the browser saying that it is another site", { origin: BASE, "sec-fetch-site": "cross-site" }, 403],
  ["a form's content type", { origin: BASE, "content-type": "application/x-www-form-urlencoded" }, 415],
  ["text that holds JSON", { origin: BASE, "content-type": "text/plain" }, 415],
  ["a name that leads here by a trick", { origin: "http://evil.example", host: "evil.example" }, 403],
  ["the origin of this server", { origin: BASE, "sec-fetch-site": "same-origin" }, 202],
])("without tokens, a change with %s", async (_, headers, status) => {
  const { app } = await served();
  expect((await post(app, "/api/jobs/report/trigger", headers)).status).toBe(status);
});

test.each<[string, string | undefined, number, number]>([
  ["no token", undefined, 401, 401],
  ["a wrong token", "wrong-wrong-wrong", 401, 401],
  ["the token to read", READ, 200, 403],
  ["the token", TOKEN, 200, 202],
])("with tokens, %s", async (_, token, reading, changing) => {
  const { app } = await served({ token: TOKEN, readToken: READ });
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  expect((await get(app, "/api/jobs", headers)).status).toBe(reading);
  expect((await post(app, "/api/jobs/report/trigger", headers)).status).toBe(changing);
  expect((await get(app, "/health")).status).toBe(200);
});

test("the eleventh wrong token within a minute waits, the right one does not", async () => {
  const { app } = await served({ token: TOKEN });
  const call = async (token: string) =>
    (await get(app, "/api/jobs", { authorization: `Bearer ${token}` })).status;
  for (let attempt = 0; attempt < 10; attempt++) expect(await call(`wrong-${attempt}`)).toBe(401);
  expect(await call("wrong-again")).toBe(429);
  expect(await call(TOKEN)).toBe(200);
  clock.pass(61_000);
  expect(await call("wrong-again")).toBe(401);
});

test("every answer, errors included, has all headers; other methods are refused", async () => {
  const { options } = await served();
  const server = await startServer(options, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.stop());
  for (const [method, path, status] of [
    ["GET", "/health", 200],
    ["GET", "/metrics", 200],
    ["GET", "/nothing", 404],
    ["GET", "/api/openapi.json", 200],
    ["DELETE", "/api/jobs", 405],
    ["OPTIONS", "/api/jobs", 405],
  ] as const) {
    const response = await fetch(`${server.url}${path}`, { method });
    expect([path, response.status]).toEqual([path, status]);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-security-policy": expect.stringContaining("frame-ancestors 'none'"),
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
      "content-type": expect.stringMatching(/charset=utf-8/i),
    });
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  }
});

test("the document is sound OpenAPI 3.1", async () => {
  const { app } = await served({ token: TOKEN });
  const document = await bodyOf(get(app, "/api/openapi.json", { authorization: `Bearer ${TOKEN}` }));
  const validator = new Validator();
  expect(await validator.validate(document)).toMatchObject({ valid: true });
  expect([validator.version, document.security]).toEqual(["3.1", [{ token: [] }]]);
  expect(document.paths["/health"].get.security).toEqual([]);
});

test("the document lists the routes that answer", async () => {
  const { app } = await served();
  const { paths } = await bodyOf(get(app, "/api/openapi.json"));
  const documented = Object.entries<object>(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const answering = app.routes
    .filter(({ method, path }) => method !== "ALL" && path !== "/api/openapi.json" && !path.includes("*"))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  expect(documented.sort()).toEqual([...new Set(answering)].sort());
});

test.each<[string, Partial<Access>, string]>([
  ["TOKEN_NEEDED", {}, "set SILLON_TOKEN to a secret of 16 characters"],
  ["TOKEN_SHORT", { token: "short" }, "openssl rand"],
])("%s: another address is refused", async (code, access, hint) => {
  const { options } = await served(access);
  const started = startServer(options, { host: "0.0.0.0", port: 0 });
  await expect(started).rejects.toMatchObject({ code, exitCode: 2, hint: expect.stringContaining(hint) });
});

test.each([
  ["PORT_IN_USE", "127.0.0.1", "give another one with --port"],
  ["HOST_UNUSABLE", "192.0.2.1", "an address of this machine"],
])("%s is told", async (code, host, hint) => {
  const { options } = await served({ token: TOKEN });
  const server = await startServer(options, { host: "127.0.0.1", port: 0 });
  onTestFinished(() => server.stop());
  const again = startServer(options, { host, port: Number(new URL(server.url).port) });
  await expect(again).rejects.toMatchObject({ code, exitCode: 4, hint: expect.stringContaining(hint) });
});
