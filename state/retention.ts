import { rmSync } from "node:fs";
import { join } from "node:path";
import type { StateDatabase } from "./database.ts";

export interface Retention {
  /** Runs older than this go. */
  days: number;
  /** And all but so many, the newest. */
  runs: number;
}

export const DEFAULT_RETENTION: Retention = { days: 90, runs: 100_000 };

const DAY_MS = 86_400_000;
/** Few enough that nobody who writes waits. */
const AT_ONCE = 500;

/** Forgets old runs with their steps, nodes, failing rows and logs, never one that is open, and old incidents and messages. Returns how many runs went. */
export async function pruneRuns(
  state: StateDatabase,
  logs: string,
  { now, keep }: { now: Date; keep: Retention },
): Promise<number> {
  const oldest = new Date(now.getTime() - keep.days * DAY_MS).toISOString();
  const last = await state
    .selectFrom("runs")
    .select("queued_at")
    .where("parent_id", "is", null)
    .orderBy("queued_at", "desc")
    .orderBy("id", "desc")
    .offset(keep.runs)
    .limit(1)
    .executeTakeFirst();
  const before = last !== undefined && last.queued_at >= oldest ? `${last.queued_at}\u{10ffff}` : oldest;
  await pruneAlerts(state, { oldest, keep: keep.runs });
  let count = 0;
  for (;;) {
    const runs = await state
      .selectFrom("runs")
      .select("id")
      .where("parent_id", "is", null)
      .where("queued_at", "<", before)
      .where("status", "not in", ["queued", "running"])
      .orderBy("queued_at")
      .limit(AT_ONCE)
      .execute();
    if (runs.length === 0) return count;
    await removeRuns(
      state,
      logs,
      runs.map(({ id }) => id),
    );
    count += runs.length;
  }
}

const DONE = ["sent", "given_up", "withdrawn"] as const;

/** Forgets old incidents that are over, and messages that are through: never what is open or waits to be sent. */
async function pruneAlerts(
  state: StateDatabase,
  { oldest, keep }: { oldest: string; keep: number },
): Promise<void> {
  for (;;) {
    const incidents = await state
      .selectFrom("incidents")
      .select("id")
      .where("status", "=", "resolved")
      .where((where) =>
        where.or([
          where("resolved_at", "<", oldest),
          where(
            "opened_at",
            "<",
            where
              .selectFrom("incidents")
              .select("opened_at")
              .orderBy("opened_at", "desc")
              .orderBy("id")
              .offset(keep - 1)
              .limit(1),
          ),
        ]),
      )
      .limit(AT_ONCE)
      .execute();
    const ids = incidents.map(({ id }) => id);
    if (ids.length === 0) break;
    await state.transaction().execute(async (changes) => {
      await changes.deleteFrom("incident_parts").where("incident_id", "in", ids).execute();
      await changes.deleteFrom("incidents").where("id", "in", ids).execute();
    });
  }
  await state
    .deleteFrom("outbox")
    .where("status", "in", DONE)
    .where((where) =>
      where.or([
        where("created_at", "<", oldest),
        where(
          "created_at",
          "<",
          where
            .selectFrom("outbox")
            .select("created_at")
            .orderBy("created_at", "desc")
            .orderBy("id")
            .offset(keep - 1)
            .limit(1),
        ),
      ]),
    )
    .execute();
}

/** The same, with the usual limits, when nothing was written on this day before. */
export async function pruneDaily(state: StateDatabase, logs: string, now: Date): Promise<void> {
  const newest = await state
    .selectFrom("runs")
    .select("queued_at")
    .where("parent_id", "is", null)
    .orderBy("queued_at", "desc")
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  if (newest === undefined || newest.queued_at.slice(0, 10) >= now.toISOString().slice(0, 10)) return;
  await pruneRuns(state, logs, { now, keep: DEFAULT_RETENTION });
}

async function removeRuns(state: StateDatabase, logs: string, ids: string[]): Promise<void> {
  const steps = await state.selectFrom("runs").select("id").where("parent_id", "in", ids).execute();
  const all = [...ids, ...steps.map(({ id }) => id)];
  await state.transaction().execute(async (changes) => {
    await changes.deleteFrom("runs").where("id", "in", all).execute();
    await changes.deleteFrom("run_steps").where("run_id", "in", ids).execute();
    await changes.deleteFrom("run_nodes").where("run_id", "in", all).execute();
    await changes.deleteFrom("failures").where("run_id", "in", all).execute();
    await changes.deleteFrom("metric_points").where("run_id", "in", all).execute();
  });
  for (const id of all) rmSync(logFile(logs, id), { force: true });
}

/** Where the log of a run is kept. */
export function logFile(logs: string, runId: string): string {
  return join(logs, `${runId}.log`);
}
