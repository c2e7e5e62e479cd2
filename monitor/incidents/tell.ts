import type { Context } from "../../core/context.ts";
import { enqueue } from "../../state/outbox.ts";
import type { AlertMessage } from "../alerts/message.ts";
import { isAtLeast, toldAt } from "../alerts/quiet.ts";
import type { MonitorSettings } from "../settings.ts";
import type { Changes, Open, Settling } from "./open.ts";

/** The channels that want to hear of it. */
export function channelsFor({ severity, wanted }: Open, { channels }: MonitorSettings): string[] {
  return Object.entries(channels)
    .filter(([name, { min_severity }]) => (wanted?.has(name) ?? true) && isAtLeast(severity, min_severity))
    .map(([name]) => name);
}

/** Writes into the outbox that an incident opened, got worse or is over. */
export async function tell(
  ctx: Context,
  changes: Changes,
  { incident, settling, now }: { incident: Open; settling: Settling; now: Date },
): Promise<void> {
  const { quiet_hours: quiet, timezone } = settling.settings;
  const notBefore = toldAt(now, incident.severity, { quiet, timezone });
  const kind = kindOf(incident);
  const withheld = incident.isNew ? new Set<string>() : await withdrawn(changes, incident.id, now);
  for (const channel of incident.channels) {
    if (kind === "resolved" && withheld.has(channel)) continue;
    await enqueue(changes, now, {
      channel,
      kind,
      incidentId: incident.id,
      payload: messageOf(ctx, incident, settling),
      notBefore,
    });
  }
}

function kindOf({ isNew, status }: Open): "opened" | "escalated" | "resolved" {
  if (isNew) return "opened";
  return status === "resolved" ? "resolved" : "escalated";
}

/** What quiet hours still hold back of an incident is not told any more. */
async function withdrawn(changes: Changes, incidentId: string, now: Date): Promise<Set<string>> {
  const rows = await changes
    .updateTable("outbox")
    .set({ status: "withdrawn" })
    .where("incident_id", "=", incidentId)
    .where("status", "=", "queued")
    .where("attempts", "=", 0)
    .where("not_before", ">", now.toISOString())
    .whereRef("not_before", ">", "created_at")
    .where("last_error", "is", null)
    .returning("channel")
    .execute();
  return new Set(rows.map(({ channel }) => channel));
}

function messageOf(ctx: Context, incident: Open, { project }: Settling): AlertMessage {
  const mask = (text: string) => ctx.secrets.mask(text);
  return {
    kind: kindOf(incident),
    project,
    incident_id: incident.id,
    severity: incident.severity,
    ...(incident.formerSeverity === undefined ? {} : { former_severity: incident.formerSeverity }),
    title: mask(incident.title),
    parts: [...incident.parts.values()].map(({ title, message }) => ({
      title: mask(title),
      message: mask(incident.joined === undefined ? message : `belongs to "${incident.joined}" from now on`),
    })),
    affected: incident.affected,
    owners: incident.owners,
    run_id: incident.run_id,
    opened_at: incident.opened_at,
    resolved_at: incident.resolved_at,
  };
}
