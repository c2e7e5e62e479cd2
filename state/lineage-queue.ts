import type { Selectable } from "kysely";
import type { StateDatabase } from "./database.ts";
import type { LineageEventRow } from "./monitor-tables.ts";

export type LineageEvent = Selectable<LineageEventRow>;

const AT_ONCE = 100;
/** As many wait at most; the oldest go first. */
const MOST = 100_000;
const DAY_MS = 86_400_000;

/** Keeps events until their receiver has them, in their order; for a week, and not more than 100,000. */
export async function queueEvents(
  state: StateDatabase,
  now: Date,
  events: readonly { runId: string; body: string }[],
): Promise<void> {
  await state.transaction().execute(async (changes) => {
    for (let first = 0; first < events.length; first += AT_ONCE)
      await changes
        .insertInto("lineage_events")
        .values(
          events.slice(first, first + AT_ONCE).map(({ runId, body }) => ({
            run_id: runId,
            body,
            created_at: now.toISOString(),
            lease_until: null,
          })),
        )
        .execute();
    const oldest = new Date(now.getTime() - 7 * DAY_MS).toISOString();
    await changes.deleteFrom("lineage_events").where("created_at", "<", oldest).execute();
    await changes
      .deleteFrom("lineage_events")
      .where("id", "<=", (row) =>
        row.selectFrom("lineage_events").select("id").orderBy("id", "desc").offset(MOST).limit(1),
      )
      .execute();
  });
}

const LEASE_MS = 60_000;

/** Takes the oldest events, unless another process is sending. */
export async function claimEvents(state: StateDatabase, now: Date): Promise<LineageEvent[]> {
  const at = now.toISOString();
  const rows = await state
    .updateTable("lineage_events")
    .set({ lease_until: new Date(now.getTime() + LEASE_MS).toISOString() })
    .where("id", "in", (row) => row.selectFrom("lineage_events").select("id").orderBy("id").limit(AT_ONCE))
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom("lineage_events").select("id").where("lease_until", ">", at))),
    )
    .returningAll()
    .execute();
  return rows.toSorted((a, b) => a.id - b.id);
}

/** Forgets what was confirmed, or refused for good. */
export async function removeEvents(state: StateDatabase, ids: readonly number[]): Promise<void> {
  if (ids.length > 0) await state.deleteFrom("lineage_events").where("id", "in", ids).execute();
}

/** Gives back what this process had in hand. */
export async function releaseEvents(state: StateDatabase, ids: readonly number[]): Promise<void> {
  if (ids.length > 0)
    await state.updateTable("lineage_events").set({ lease_until: null }).where("id", "in", ids).execute();
}

export async function countEvents(state: StateDatabase): Promise<number> {
  const { count } = await state
    .selectFrom("lineage_events")
    .select((row) => row.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  return count;
}
