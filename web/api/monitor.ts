import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { StateDatabase } from "../../state/database.ts";
import { incidentJson, listIncidents } from "../../state/incidents.ts";
import { SEVERITIES } from "../../state/monitor-tables.ts";
import { countOutbox, listOutbox } from "../../state/outbox.ts";
import { json, query, REFUSED, WRONG } from "./answers.ts";

const text = z.string().nullable();
const incidentShape = z
  .object({
    id: z.string(),
    title: z.string(),
    severity: z.enum(SEVERITIES),
    status: z.enum(["open", "resolved"]),
    node: text,
    run_id: text,
    opened_at: z.string(),
    last_seen_at: z.string(),
    resolved_at: text,
    affected: z.array(z.string()),
    owners: z.array(z.object({ name: z.string(), email: text })),
    channels: z.array(z.string()),
    parts: z.array(
      z.object({
        key: z.string(),
        node: text,
        rule: text,
        severity: z.enum(SEVERITIES),
        message: z.string(),
        is_bad: z.boolean(),
        since: z.string(),
      }),
    ),
  })
  .openapi("Incident");

const OUTBOX = ["queued", "sending", "sent", "given_up", "withdrawn"] as const;
const messageShape = z
  .object({
    id: z.string(),
    channel: z.string(),
    kind: z.string(),
    incident_id: text,
    status: z.enum(OUTBOX),
    attempts: z.int(),
    created_at: z.string(),
    not_before: z.string(),
    sent_at: text,
    last_error: text,
  })
  .openapi("Message");

const limit = z.coerce.number().int().min(1).max(500).default(100);
/** Incidents, and the messages about them. */
export function addMonitor(app: OpenAPIHono, state: StateDatabase): void {
  const incidents = createRoute({
    method: "get",
    path: "/api/incidents",
    summary: "What is wrong, or was",
    tags: ["monitoring"],
    request: { query: query({ status: z.enum(["open", "resolved"]).optional(), limit }) },
    responses: {
      ...REFUSED,
      422: WRONG,
      200: json(z.object({ incidents: z.array(incidentShape) }), "open ones first"),
    },
  });
  app.openapi(incidents, async (context) => {
    const found = await listIncidents(state, context.req.valid("query"));
    return context.json({ incidents: found.map(incidentJson) }, 200);
  });
  const outbox = createRoute({
    method: "get",
    path: "/api/outbox",
    summary: "Messages to channels, and how many of each state",
    tags: ["monitoring"],
    request: { query: query({ status: z.enum(OUTBOX).optional(), limit }) },
    responses: {
      ...REFUSED,
      422: WRONG,
      200: json(
        z.object({ counts: z.record(z.string(), z.int()), messages: z.array(messageShape) }),
        "the newest first",
      ),
    },
  });
  app.openapi(outbox, async (context) => {
    const messages = await listOutbox(state, context.req.valid("query"));
    const shown = messages.map(({ payload: _payload, lease_until: _lease, ...one }) => one);
    return context.json({ counts: await countOutbox(state), messages: shown }, 200);
  });
}
