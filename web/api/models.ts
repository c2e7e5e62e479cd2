import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { listModels, readAliases } from "../../state/registry.ts";
import type { Served } from "../served.ts";
import { json, query, REFUSED } from "./answers.ts";

const modelShape = z
  .object({
    version: z.int(),
    kind: z.string(),
    aliases: z.array(z.string()),
    created_at: z.string(),
    cutoff: z.string().describe("nothing after it was seen"),
    experiment_id: z.string(),
    metrics: z.record(z.string(), z.unknown()),
  })
  .openapi("Model");

/** The models of recommendations. */
export function addModels(app: OpenAPIHono, { state }: Served): void {
  const route = createRoute({
    method: "get",
    path: "/api/models",
    summary: "The models of recommendations, the newest first",
    tags: ["monitoring"],
    request: { query: query({}) },
    responses: {
      ...REFUSED,
      200: json(z.object({ models: z.array(modelShape) }), "champion: the one that is served"),
    },
  });
  app.openapi(route, async (context) => {
    const aliases = Object.entries(await readAliases(state));
    const models = (await listModels(state)).map(
      ({ version, kind, created_at, cutoff, experiment_id, metrics }) => ({
        ...{ version, kind, created_at, cutoff, experiment_id },
        aliases: aliases.filter(([, of]) => of === version).map(([alias]) => alias),
        metrics: JSON.parse(metrics) as Record<string, unknown>, // written as such
      }),
    );
    return context.json({ models }, 200);
  });
}
