import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { StateDatabase } from "../../state/database.ts";
import type { Served } from "../served.ts";
import { json, query, REFUSED } from "./answers.ts";

const healthShape = z
  .object({
    status: z.enum(["ok", "degraded"]),
    version: z.string(),
    jobs: z.int(),
    running: z.int(),
    queued: z.int(),
    problems: z.array(z.string()),
  })
  .openapi("Health");

/** How the service itself is. */
export function addService(app: OpenAPIHono, { state, version, jobs, problems, metrics }: Served): void {
  const health = createRoute({
    method: "get",
    path: "/health",
    summary: "Whether it works; needs no token",
    tags: ["service"],
    security: [],
    request: { query: query({}) },
    responses: {
      ...REFUSED,
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
    summary: "What runs have measured, for Prometheus",
    tags: ["service"],
    responses: {
      ...REFUSED,
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
