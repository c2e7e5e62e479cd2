import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { maskDocument } from "../../core/secrets.ts";
import type { StateDatabase } from "../../state/database.ts";
import { enqueue } from "../../state/outbox.ts";
import type { ReportMessage } from "../alerts/message.ts";
import type { MonitorSettings } from "../settings.ts";
import { renderReport, subjectOf } from "./render.ts";
import type { Report } from "./report.ts";

/**
 * The channels that get a report: those that are named, or all that take warnings, as a report counts as one. Throws
 * CHANNEL_UNKNOWN (exit 2).
 */
export function channelsOf(
  { channels }: Pick<MonitorSettings, "channels">,
  named: readonly string[],
): string[] {
  const names = Object.keys(channels);
  const unknown = named.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new ProjectError("CHANNEL_UNKNOWN", {
      message: `no channel is called "${unknown}"`,
      where: "--channel",
      why: nearestLine(unknown, names),
      hint: `define it below channels: of monitor.yml, or take one of: ${names.join(", ") || "(there is none)"}`,
      exitCode: EXIT.usage,
    });
  if (named.length > 0) return [...new Set(named)];
  return names.filter((name) => channels[name]?.min_severity === "warning");
}

/** Puts the report into the outbox, once for each channel, for all of them or for none. */
export async function enqueueReport(
  ctx: Context,
  state: StateDatabase,
  { report, channels }: { report: Report; channels: readonly string[] },
): Promise<void> {
  const message: ReportMessage = {
    kind: "report",
    subject: subjectOf(report),
    text: renderReport(report, "text", ctx.projectDir),
    html: renderReport(report, "html", ctx.projectDir),
    slack: renderReport(report, "slack", ctx.projectDir),
    data: { ...report },
  };
  const payload = maskDocument(ctx.secrets, message);
  const now = ctx.clock.now();
  await state.transaction().execute(async (changes) => {
    for (const channel of channels) await enqueue(changes, now, { channel, kind: "report", payload });
  });
}
