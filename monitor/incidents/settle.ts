import { randomUUID } from "node:crypto";
import type { Transaction } from "kysely";
import type { Context } from "../../core/context.ts";
import type { StateDatabase, StateTables } from "../../state/database.ts";
import { type Incident, listIncidents } from "../../state/incidents.ts";
import type { Severity } from "../../state/monitor-tables.ts";
import { enqueue } from "../../state/outbox.ts";
import type { AlertMessage } from "../alerts/message.ts";
import { isAtLeast, toldAt } from "../alerts/quiet.ts";
import type { MonitorSettings } from "../settings.ts";
import type { Finding, Findings } from "./finding.ts";
import type { Lineage } from "./lineage.ts";

type Changes = Transaction<StateTables>;

export interface Settling {
  project: string;
  settings: MonitorSettings;
  lineage: Lineage;
  runId: string | null;
}

/** An incident while findings are sorted into it. */
interface Open extends Omit<Incident, "parts"> {
  isNew: boolean;
  /** Names of channels that its findings are for; null is all. */
  wanted: Set<string> | null;
  parts: Map<string, { title: string; message: string; severity: Severity; isBad: boolean }>;
  /** The title of the incident that it became a part of. */
  joined?: string;
}

/**
 * Opens incidents for what is wrong, one for each cause: what comes after it along the lineage joins it. Closes those of
 * which all is good again. Channels are told once when an incident opens and once when it is over, through the outbox.
 */
export async function settle(
  ctx: Context,
  state: StateDatabase,
  { bad, good }: Findings,
  settling: Settling,
): Promise<void> {
  if (bad.length === 0 && good.length === 0) return;
  const now = ctx.clock.now();
  await state.transaction().execute(async (changes) => {
    const open: Open[] = (await listIncidents(changes, { status: "open", limit: MAX_OPEN })).map(toOpen);
    if (bad.length === 0 && open.length === 0) return;
    const fine = new Set(good);
    for (const { parts } of open) for (const [key, part] of parts) if (fine.has(key)) part.isBad = false;
    for (const finding of upstreamFirst(bad, settling.lineage))
      place(open, finding, { settling, now: now.toISOString() });
    for (const incident of open) await keep(ctx, changes, { incident, settling, now });
  });
}

const MAX_OPEN = 10_000;

function toOpen({ parts, ...incident }: Incident): Open {
  const kept = parts.map(
    ({ key, message, severity, is_bad }) =>
      [key, { title: key, message, severity, isBad: is_bad === 1 }] as const,
  );
  return { ...incident, isNew: false, wanted: null, parts: new Map(kept) };
}

function nodeOf({ about }: Finding, lineage: Lineage): string | null {
  return about === null ? null : lineage.idOf(about);
}

function upstreamFirst(bad: readonly Finding[], lineage: Lineage): Finding[] {
  const depth = (finding: Finding) => {
    const id = nodeOf(finding, lineage);
    return id === null ? 0 : lineage.ancestorsOf(id).size;
  };
  return bad
    .map((finding) => ({ finding, depth: depth(finding) }))
    .sort((a, b) => a.depth - b.depth)
    .map(({ finding }) => finding);
}

function place(
  open: Open[],
  finding: Finding,
  { settling: { lineage, runId }, now }: { settling: Settling; now: string },
): void {
  const { key, title, message, severity, channels } = finding;
  const id = nodeOf(finding, lineage);
  const above = id === null ? new Set<string>() : lineage.ancestorsOf(id);
  const own =
    open.find(({ parts }) => parts.has(key)) ??
    open.find(({ node }) => node !== null && (node === id || above.has(node)));
  const part = { title, message, severity, isBad: true };
  if (own !== undefined) {
    own.parts.set(key, part);
    own.last_seen_at = now;
    if (isAtLeast(severity, own.severity)) own.severity = severity;
    if (own.isNew) own.wanted = both(own.wanted, channels);
    return;
  }
  const below = open.filter(({ node }) => id !== null && node !== null && lineage.ancestorsOf(node).has(id));
  const [first, ...others] = below.sort((a, b) => (a.opened_at < b.opened_at ? -1 : 1));
  if (first !== undefined && id !== null) {
    takeCause(first, { finding, id, lineage, others });
    first.last_seen_at = now;
    return;
  }
  open.push({
    id: randomUUID(),
    title,
    severity,
    status: "open",
    node: id,
    run_id: runId,
    opened_at: now,
    last_seen_at: now,
    resolved_at: null,
    affected: id === null ? [] : lineage.affectedBy(id),
    owners: id === null ? [] : lineage.ownersOf(id),
    channels: [],
    isNew: true,
    wanted: channels === null ? null : new Set(channels),
    parts: new Map([[key, part]]),
  });
}

/** The cause of an incident is found after it was opened: it is that cause's from now on, and so are the others of it. */
function takeCause(
  incident: Open,
  {
    finding,
    id,
    lineage,
    others,
  }: { finding: Finding; id: string; lineage: Lineage; others: readonly Open[] },
): void {
  const { key, title, message, severity } = finding;
  const owners = [...lineage.ownersOf(id), ...incident.owners];
  Object.assign(incident, {
    title,
    node: id,
    affected: lineage.affectedBy(id),
    owners: [...new Map(owners.map((owner) => [owner.name, owner])).values()],
    severity: isAtLeast(severity, incident.severity) ? severity : incident.severity,
  });
  incident.parts = new Map([[key, { title, message, severity, isBad: true }], ...incident.parts]);
  for (const other of others) {
    for (const [one, part] of other.parts) incident.parts.set(one, { ...part });
    for (const part of other.parts.values()) part.isBad = false;
    if (isAtLeast(other.severity, incident.severity)) incident.severity = other.severity;
    other.joined = title;
  }
}

/** Channels of one of two findings: all as soon as one is for all. */
function both(wanted: Set<string> | null, channels: readonly string[] | null): Set<string> | null {
  return wanted === null || channels === null ? null : new Set([...wanted, ...channels]);
}

async function keep(
  ctx: Context,
  changes: Changes,
  { incident, settling, now }: { incident: Open; settling: Settling; now: Date },
): Promise<void> {
  const isOver = !incident.isNew && [...incident.parts.values()].every(({ isBad }) => !isBad);
  if (isOver) {
    incident.status = "resolved";
    incident.resolved_at = now.toISOString();
  }
  if (incident.isNew) incident.channels = channelsFor(incident, settling.settings);
  const mask = (text: string) => ctx.secrets.mask(text);
  const { isNew, wanted: _wanted, joined: _joined, parts, affected, owners, channels, ...row } = incident;
  const values = {
    ...row,
    title: mask(row.title),
    affected: JSON.stringify(affected),
    owners: JSON.stringify(owners),
    channels: JSON.stringify(channels),
  };
  if (isNew) await changes.insertInto("incidents").values(values).execute();
  else await changes.updateTable("incidents").set(values).where("id", "=", row.id).execute();
  for (const [key, part] of parts) {
    const is_bad = part.isBad ? 1 : 0;
    const message = mask(part.message);
    await changes
      .insertInto("incident_parts")
      .values({
        incident_id: row.id,
        key: mask(key),
        node: row.node,
        rule: key.startsWith("rule:") ? (key.slice(5).split(" ")[0] ?? null) : null,
        severity: part.severity,
        message,
        is_bad,
        since: now.toISOString(),
      })
      .onConflict((conflict) => conflict.doUpdateSet({ is_bad, message }))
      .execute();
  }
  if (isNew || isOver) await tell(ctx, changes, { incident, settling, now });
}

function channelsFor({ severity, wanted }: Open, { channels }: MonitorSettings): string[] {
  return Object.entries(channels)
    .filter(([name, { min_severity }]) => (wanted?.has(name) ?? true) && isAtLeast(severity, min_severity))
    .map(([name]) => name);
}

async function tell(
  ctx: Context,
  changes: Changes,
  { incident, settling, now }: { incident: Open; settling: Settling; now: Date },
): Promise<void> {
  const { quiet_hours: quiet, timezone } = settling.settings;
  const notBefore = toldAt(now, incident.severity, { quiet, timezone });
  const silent = incident.isNew ? new Set<string>() : await withdrawn(changes, incident.id, now);
  for (const channel of incident.channels) {
    if (silent.has(channel)) continue;
    await enqueue(changes, now, {
      channel,
      kind: incident.isNew ? "opened" : "resolved",
      incidentId: incident.id,
      payload: messageOf(ctx, incident, settling),
      notBefore,
    });
  }
}

/** What quiet hours still hold back of an incident that is over is not told at all. */
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
    kind: incident.isNew ? "opened" : "resolved",
    project,
    incident_id: incident.id,
    severity: incident.severity,
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
