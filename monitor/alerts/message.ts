import { z } from "zod";
import { SEVERITIES } from "../../state/monitor-tables.ts";

/** What is told of an incident. */
const alertSchema = z.object({
  kind: z.enum(["opened", "escalated", "resolved", "test"]),
  project: z.string(),
  incident_id: z.string(),
  severity: z.enum(SEVERITIES),
  /** Before it got worse. */
  former_severity: z.enum(SEVERITIES).optional(),
  title: z.string(),
  parts: z.array(z.object({ title: z.string(), message: z.string() })),
  affected: z.array(z.string()),
  owners: z.array(z.object({ name: z.string(), email: z.string().nullable() })),
  run_id: z.string().nullable(),
  opened_at: z.string(),
  resolved_at: z.string().nullable(),
});
export type AlertMessage = z.output<typeof alertSchema>;

/** A text that is sent as it is: a report in the forms that channels take. */
const reportSchema = z.object({
  kind: z.literal("report"),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
  /** In Slack's mrkdwn, already escaped. */
  slack: z.string(),
  /** For webhooks. */
  data: z.record(z.string(), z.unknown()).default({}),
});
export type ReportMessage = z.output<typeof reportSchema>;

const messageSchema = z.discriminatedUnion("kind", [alertSchema, reportSchema]);
export type Message = z.output<typeof messageSchema>;

/** A message as the outbox keeps it. */
export function parseMessage(payload: string): Message {
  return messageSchema.parse(JSON.parse(payload));
}
