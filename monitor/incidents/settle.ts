import { randomUUID } from "node:crypto";
import type { Context } from "../../core/context.ts";
import type { StateDatabase } from "../../state/database.ts";
import { type Incident, listIncidents } from "../../state/incidents.ts";
import { isAtLeast } from "../alerts/quiet.ts";
import type { Finding, Findings } from "./finding.ts";
import type { Lineage } from "./lineage.ts";
import type { Changes, Open, Settling } from "./open.ts";
import { channelsFor, tell } from "./tell.ts";

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
    // Not each minute while nothing runs.
    if (settling.runId !== null)
      for (const { parts } of open)
        for (const [key, part] of parts) if (part.isBad) closeGone(key, part, settling);
    for (const finding of upstreamFirst(bad, settling.lineage))
      place(open, finding, { settling, now: now.toISOString() });
    for (const incident of open) await keep(ctx, changes, { incident, settling, now });
  });
}

const MAX_OPEN = 10_000;

function toOpen({ parts, ...incident }: Incident): Open {
  const kept = parts.map(
    ({ key, message, severity, is_bad }) =>
      [key, { title: titleOf(key), message, severity, isBad: is_bad === 1 }] as const,
  );
  return { ...incident, isNew: false, wanted: null, parts: new Map(kept) };
}

/** What the project no longer has, a test that was removed or a rule, is never seen to be good again. */
function closeGone(
  key: string,
  part: { isBad: boolean; message: string },
  { lineage, settings }: Settling,
): void {
  const [kind = "", name = ""] = key.split(/:(.*)/s);
  const isGone =
    kind === "rule"
      ? !settings.rules.some((rule) => rule.name === name.split(" ")[0])
      : NODE_KINDS.includes(kind) && lineage.has(name) === false;
  if (isGone) Object.assign(part, { isBad: false, message: "the project does not have it any more" });
}

const NODE_KINDS = ["model", "seed", "snapshot", "test"];

/** `model:model.shop.orders` as people say it. */
function titleOf(key: string): string {
  return key.replace(/^(\w+):(?:[a-z_]+\.\w+\.)?/, "$1 ").replace(/\.[0-9a-f]{10}$/, "");
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
    open.find((one) => one.node !== null && (one.node === id || above.has(one.node)) && isBad(one));
  const part = { title, message, severity, isBad: true };
  if (own !== undefined) {
    own.parts.set(key, part);
    own.last_seen_at = now;
    if (own.isNew) own.wanted = both(own.wanted, channels);
    if (!isAtLeast(own.severity, severity)) makeWorse(own, finding, { id, runId });
    return;
  }
  // What was less severe before has reasons of its own.
  const below = open.filter(
    (one) =>
      id !== null &&
      one.node !== null &&
      lineage.ancestorsOf(one.node).has(id) &&
      isAtLeast(one.severity, severity),
  );
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

/** Whether anything of it is still wrong: what is good again explains nothing. */
function isBad({ parts }: Open): boolean {
  return [...parts.values()].some((part) => part.isBad);
}

/** Something more severe joins an incident: it is told again, to those as well who want to hear of nothing less. */
function makeWorse(
  incident: Open,
  { severity, title, channels }: Finding,
  { id, runId }: { id: string | null; runId: string | null },
): void {
  if (!incident.isNew) {
    incident.wanted =
      incident.formerSeverity === undefined
        ? both(new Set(incident.channels), channels)
        : both(incident.wanted, channels);
    incident.formerSeverity ??= incident.severity;
    incident.run_id = runId;
  }
  incident.severity = severity;
  if (incident.node === id) incident.title = title;
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
  const isOver = !incident.isNew && !isBad(incident);
  if (isOver) {
    incident.status = "resolved";
    incident.resolved_at = now.toISOString();
  }
  const isWorse = incident.formerSeverity !== undefined && !isOver;
  if (incident.isNew || isWorse) incident.channels = channelsFor(incident, settling.settings);
  const mask = (text: string) => ctx.secrets.mask(text);
  const { isNew, parts, affected, owners, channels, ...facts } = incident;
  const { wanted: _wanted, joined: _joined, formerSeverity: _former, ...row } = facts;
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
      .onConflict((conflict) => conflict.doUpdateSet({ is_bad, message, severity: part.severity }))
      .execute();
  }
  if (isNew || isWorse || isOver) await tell(ctx, changes, { incident, settling, now });
}
