import { randomUUID } from "node:crypto";
import type { StateDatabase } from "./database.ts";
import type { OutboxRow } from "./monitor-tables.ts";

export interface NewMessage {
  channel: string;
  kind: string;
  incidentId?: string | undefined;
  /** Kept as JSON, as it is: secrets have to be masked before. */
  payload: unknown;
  /** Not before this moment. */
  notBefore?: Date | undefined;
}

/** Keeps a message until its channel has it. Part of the caller's transaction where there is one. */
export async function enqueue(
  state: Pick<StateDatabase, "insertInto">,
  now: Date,
  { channel, kind, incidentId, payload, notBefore = now }: NewMessage,
): Promise<string> {
  const id = randomUUID();
  await state
    .insertInto("outbox")
    .values({
      id,
      channel,
      kind,
      incident_id: incidentId ?? null,
      payload: JSON.stringify(payload),
      status: "queued",
      attempts: 0,
      created_at: now.toISOString(),
      not_before: notBefore.toISOString(),
      lease_until: null,
      sent_at: null,
      last_error: null,
    })
    .execute();
  return id;
}

/** Channels for which something is due, and what a process that ended had in hand is due again. */
export async function dueChannels(state: StateDatabase, now: Date): Promise<string[]> {
  const at = now.toISOString();
  await state
    .updateTable("outbox")
    .set({ status: "queued", lease_until: null })
    .where("status", "=", "sending")
    .where("lease_until", "<", at)
    .execute();
  const rows = await state
    .selectFrom("outbox")
    .select("channel")
    .distinct()
    .where("status", "=", "queued")
    .where("not_before", "<=", at)
    .orderBy("channel")
    .execute();
  return rows.map(({ channel }) => channel);
}

const LEASE_MS = 300_000;

/** Takes the oldest message that is due, so that no other process sends it; undefined when there is none. */
export async function claimNext(
  state: StateDatabase,
  channel: string,
  now: Date,
): Promise<OutboxRow | undefined> {
  const at = now.toISOString();
  return state
    .updateTable("outbox")
    .set({ status: "sending", lease_until: new Date(now.getTime() + LEASE_MS).toISOString() })
    .where("status", "=", "queued")
    .where("id", "=", (select) =>
      select
        .selectFrom("outbox")
        .select("id")
        .where("status", "=", "queued")
        .where("channel", "=", channel)
        .where("not_before", "<=", at)
        .orderBy("not_before")
        .orderBy("created_at")
        .orderBy("id")
        .limit(1),
    )
    .returningAll()
    .executeTakeFirst();
}

export async function markSent(state: StateDatabase, { id, attempts }: OutboxRow, now: Date): Promise<void> {
  await state
    .updateTable("outbox")
    .set({
      status: "sent",
      attempts: attempts + 1,
      sent_at: now.toISOString(),
      lease_until: null,
      last_error: null,
    })
    .where("id", "=", id)
    .execute();
}

/** Gives a message back, to be sent at `again`, or never when that is null. */
export async function markFailed(
  state: StateDatabase,
  { id, attempts }: OutboxRow,
  { error, again }: { error: string; again: Date | null },
): Promise<void> {
  await state
    .updateTable("outbox")
    .set({
      status: again === null ? "given_up" : "queued",
      attempts: attempts + 1,
      lease_until: null,
      last_error: error,
      ...(again === null ? {} : { not_before: again.toISOString() }),
    })
    .where("id", "=", id)
    .execute();
}

/** Lets all that waits for a channel wait until then: it is the channel that fails, not a message. */
export async function pauseChannel(state: StateDatabase, channel: string, until: Date): Promise<void> {
  await state
    .updateTable("outbox")
    .set({ not_before: until.toISOString() })
    .where("channel", "=", channel)
    .where("status", "=", "queued")
    .where("not_before", "<", until.toISOString())
    .execute();
}

/** The newest messages first. */
export async function listOutbox(
  state: StateDatabase,
  { status, limit = 100 }: { status?: OutboxRow["status"] | undefined; limit?: number } = {},
): Promise<OutboxRow[]> {
  let query = state.selectFrom("outbox").selectAll();
  if (status !== undefined) query = query.where("status", "=", status);
  return query.orderBy("created_at", "desc").orderBy("id").limit(limit).execute();
}

/** How many messages there are of each status. */
export async function countOutbox(state: StateDatabase): Promise<Record<string, number>> {
  const rows = await state
    .selectFrom("outbox")
    .select(["status", (row) => row.fn.countAll<number>().as("count")])
    .groupBy("status")
    .execute();
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}
