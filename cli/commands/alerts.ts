import { EXIT, messageOf } from "../../core/errors.ts";
import { deliverDue } from "../../monitor/alerts/deliver.ts";
import { openSender } from "../../monitor/alerts/send.ts";
import { labelsText } from "../../monitor/rules/evaluate.ts";
import { shown } from "../../monitor/rules/judge.ts";
import { type Trial, tryRules } from "../../monitor/rules/try-rules.ts";
import { loadMonitor } from "../../monitor/settings.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { incidentJson, listIncidents } from "../../state/incidents.ts";
import { countOutbox, listOutbox } from "../../state/outbox.ts";
import type { Outcome } from "../outcome.ts";
import { formatCount, formatTable, plural } from "../print.ts";
import { sinceTime } from "../since.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";

async function withState<T>(workspace: Workspace, work: (state: StateDatabase) => Promise<T>): Promise<T> {
  const state = openState(workspace.folders.stateFile, ownerOf(workspace));
  try {
    return await work(state);
  } finally {
    await state.destroy();
  }
}

const time = (at: string | null) => (at === null ? "" : at.slice(0, 16).replace("T", " "));

/** `run alerts ls`: incidents that are open, or all of them. */
export async function runAlertsLs(
  workspace: Workspace,
  { colors }: Terminal,
  { all = false }: { all?: boolean },
): Promise<Outcome> {
  const incidents = await withState(workspace, (state) =>
    listIncidents(state, all ? {} : { status: "open" }),
  );
  const rows = incidents.map(({ status, severity, title, opened_at, resolved_at, affected }) => [
    status === "open" ? colors.red(severity) : colors.green("resolved"),
    title,
    time(opened_at),
    time(resolved_at),
    affected.length > 3
      ? `${affected.slice(0, 3).join(", ")} and ${affected.length - 3} more`
      : affected.join(", "),
  ]);
  const open = incidents.filter(({ status }) => status === "open").length;
  const summary = open === 0 ? "no incident is open" : `${plural(open, "open incident")}`;
  const table = formatTable(["severity", "incident", "since (UTC)", "resolved", "affects"], rows, colors);
  return {
    exitCode: EXIT.ok,
    summary,
    text: rows.length === 0 ? summary : `${table}\n\n${summary}`,
    json: { incidents: incidents.map(incidentJson) },
  };
}

/** `run alerts outbox`: messages that wait, were sent or were given up. */
export async function runAlertsOutbox(workspace: Workspace, { colors }: Terminal): Promise<Outcome> {
  const { messages, counts } = await withState(workspace, async (state) => ({
    messages: await listOutbox(state),
    counts: await countOutbox(state),
  }));
  const rows = messages.map((one) => {
    const status = one.status.replace("_", " ");
    const paint =
      one.status === "given_up" ? colors.red : one.status === "sent" ? colors.green : (text: string) => text;
    const next = one.status === "queued" ? time(one.not_before) : "";
    return [
      paint(status),
      one.channel,
      one.kind,
      String(one.attempts),
      time(one.created_at),
      next,
      one.last_error ?? "",
    ];
  });
  const parts = Object.entries(counts).map(
    ([status, count]) => `${formatCount(count)} ${status.replace("_", " ")}`,
  );
  const summary = parts.length === 0 ? "no message was written yet" : `messages: ${parts.join(", ")}`;
  const table = formatTable(
    ["status", "channel", "what", "attempts", "written (UTC)", "next attempt", "last error"],
    rows,
    colors,
  );
  return {
    exitCode: EXIT.ok,
    summary,
    text: rows.length === 0 ? summary : `${table}\n\n${summary}`,
    json: {
      counts,
      messages: messages.map(({ payload, lease_until: _lease, ...one }) => ({
        ...one,
        payload: JSON.parse(payload),
      })),
    },
  };
}

/** `run alerts test`: what the rules would have said of what was measured. */
export async function runAlertsTest(
  workspace: Workspace,
  { colors }: Terminal,
  { since }: { since: string },
): Promise<Outcome> {
  const { ctx } = workspace;
  const settings = loadMonitor(ctx.projectDir);
  const now = ctx.clock.now();
  const from = new Date(sinceTime(since, now));
  const trials = await withState(workspace, (state) => tryRules(state, settings, { since: from, now }));
  const judged = trials.reduce((sum, one) => sum + one.judged, 0);
  const alerts = trials.reduce((sum, one) => sum + one.alerts.length, 0);
  const summary = `${plural(settings.rules.length, "rule")} on ${plural(judged, "value")}: ${plural(alerts, "alert")}; nothing was sent`;
  const rows = trials.flatMap((trial) =>
    trial.alerts.map(({ from, to, value, expected }) => [
      trial.rule.name,
      labelsText(trial.labels),
      time(from),
      from === to ? "" : time(to),
      shown(value),
      expected,
    ]),
  );
  const silent = settings.rules.filter(({ name }) =>
    trials.every(({ rule, judged }) => rule.name !== name || judged === 0),
  );
  const note =
    silent.length === 0
      ? []
      : [`not enough was measured yet for: ${silent.map(({ name }) => name).join(", ")}`];
  const table =
    rows.length === 0
      ? []
      : [formatTable(["rule", "of", "from (UTC)", "until", "value", "expected"], rows, colors)];
  return {
    exitCode: EXIT.ok,
    summary,
    text: [...table, ...note, summary].join("\n\n"),
    json: { since: from.toISOString(), trials: trials.map(trialJson) },
  };
}

function trialJson({ rule, labels, judged, alerts }: Trial) {
  return { rule: rule.name, metric: rule.metric, labels, judged, alerts };
}

/** `run alerts check`: whether the channels could be reached with these settings. */
export async function runAlertsCheck(
  workspace: Workspace,
  { colors }: Terminal,
  { send = false }: { send?: boolean },
): Promise<Outcome> {
  const { ctx, project } = workspace;
  const { channels } = loadMonitor(ctx.projectDir);
  const results: { channel: string; type: string; error: string | null }[] = [];
  for (const [name, channel] of Object.entries(channels)) {
    let error: string | null = null;
    try {
      const sender = await openSender(ctx, channel);
      try {
        if (send) await sender.send(`${ctx.invocationId}-${name}`, testMessage(project.name, ctx.startedAt));
        else await sender.check();
      } finally {
        sender.close();
      }
    } catch (failure) {
      error = ctx.secrets.mask(messageOf(failure));
    }
    results.push({ channel: name, type: channel.type, error });
  }
  const wrong = results.filter(({ error }) => error !== null).length;
  const summary =
    results.length === 0
      ? "no channel is set up: see docs/monitoring.md"
      : `${plural(results.length, "channel")}, ${wrong} wrong`;
  const rows = results.map(({ channel, type, error }) => [
    channel,
    type,
    error === null ? colors.green(send ? "sent" : "works") : colors.red(error),
  ]);
  return {
    exitCode: wrong > 0 ? EXIT.failed : EXIT.ok,
    summary,
    text:
      rows.length === 0
        ? summary
        : `${formatTable(["channel", "type", "result"], rows, colors)}\n\n${summary}`,
    json: { channels: results },
  };
}

function testMessage(project: string, at: Date) {
  return {
    kind: "test" as const,
    project,
    incident_id: "test",
    severity: "warning" as const,
    title: "a message to try the channel",
    parts: [{ title: "test", message: "Nothing is wrong: somebody ran alerts check --send." }],
    affected: [],
    owners: [],
    run_id: null,
    opened_at: at.toISOString(),
    resolved_at: null,
  };
}

/** `run alerts send`: what `run up` does all the time, once. */
export async function runAlertsSend(workspace: Workspace): Promise<Outcome> {
  const { ctx } = workspace;
  const settings = loadMonitor(ctx.projectDir);
  const done = await withState(workspace, (state) => deliverDue(ctx, state, settings));
  const summary = `${formatCount(done.sent)} sent, ${formatCount(done.failed)} to be tried again, ${formatCount(done.givenUp)} given up`;
  return {
    exitCode: done.failed + done.givenUp > 0 ? EXIT.failed : EXIT.ok,
    summary,
    text: summary,
    json: { sent: done.sent, failed: done.failed, given_up: done.givenUp },
  };
}
