import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { METRIC_NAMES, metricOf } from "../../monitor/metrics/catalog.ts";
import { listSeries, type MetricSeries, readPoints } from "../../state/metrics.ts";
import type { Served } from "../served.ts";
import { json, query, REFUSED, UNKNOWN, unknownName, WRONG } from "./answers.ts";

const seriesShape = z
  .object({
    name: z.string(),
    labels: z.record(z.string(), z.string()),
    last: z.number(),
    last_at: z.string(),
    points: z.array(z.object({ at: z.string(), run_id: z.string(), value: z.number() })),
  })
  .openapi("Series");

const MAX_POINTS = 1000;

/** What runs have measured, over time. */
export function addMetrics(app: OpenAPIHono, { state }: Served): void {
  const route = createRoute({
    method: "get",
    path: "/api/metrics",
    summary: "What runs have measured, over time",
    tags: ["monitoring"],
    request: {
      query: query({
        name: z
          .string()
          .optional()
          .describe("one metric, with its points; without it all series, without points"),
        since: z.iso.datetime().optional().describe("points from then on, in UTC"),
        limit: z.coerce
          .number()
          .int()
          .min(1)
          .max(MAX_POINTS)
          .default(MAX_POINTS)
          .describe("points of a series"),
      }),
    },
    responses: {
      ...REFUSED,
      404: UNKNOWN,
      422: WRONG,
      200: json(z.object({ series: z.array(seriesShape) }), "by name and labels; of many points the newest"),
    },
  });
  app.openapi(route, async (context) => {
    const { name, since, limit } = context.req.valid("query");
    if (name !== undefined && metricOf(name) === undefined) {
      const message = `no metric is called "${name.slice(0, 100)}"`;
      const body = unknownName("METRIC_UNKNOWN", {
        message,
        name,
        known: METRIC_NAMES,
        hint: "see /api/metrics",
      });
      return context.json(body, 404);
    }
    const series: z.output<typeof seriesShape>[] = [];
    for (const one of await listSeries(state, name)) {
      const points = name === undefined ? [] : await readPoints(state, one.id, { since, limit });
      series.push({
        ...seriesJson(one),
        points: points.map(({ at, runId, value }) => ({ at, run_id: runId, value })),
      });
    }
    return context.json({ series }, 200);
  });
}

function seriesJson({ name, labels, lastValue, lastAt }: MetricSeries) {
  return { name, labels, last: lastValue, last_at: lastAt };
}
