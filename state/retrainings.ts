import type { Context } from "../core/context.ts";
import type { StateDatabase } from "./database.ts";
import type { RetrainingRow } from "./retraining-tables.ts";

/**
 * Writes down what was decided before it is begun. Whoever calls it holds the warehouse: what still runs by the book
 * was interrupted, and is closed.
 */
export async function beginRetraining(
  ctx: Context,
  state: StateDatabase,
  begun: Pick<RetrainingRow, "action" | "champion"> & { rules: unknown },
): Promise<number> {
  const at = ctx.clock.now().toISOString();
  return state.transaction().execute(async (change) => {
    await change
      .updateTable("retrainings")
      .set({ outcome: "interrupted", ended_at: at, message: "its run ended before it did" })
      .where("outcome", "=", "running")
      .execute();
    const { id } = await change
      .insertInto("retrainings")
      .values({
        run_id: ctx.invocationId,
        at,
        ended_at: null,
        action: begun.action,
        rules: JSON.stringify(begun.rules),
        outcome: "running",
        champion: begun.champion,
        version: null,
        message: null,
      })
      .returning("id")
      .executeTakeFirstOrThrow();
    return Number(id);
  });
}

export async function endRetraining(
  ctx: Context,
  state: StateDatabase,
  { id, ...ended }: { id: number } & Pick<RetrainingRow, "outcome" | "version" | "message">,
): Promise<void> {
  await state
    .updateTable("retrainings")
    .set({ ...ended, ended_at: ctx.clock.now().toISOString() })
    .where("id", "=", id)
    .execute();
}

/** The newest first. */
export async function listRetrainings(state: StateDatabase, limit?: number): Promise<RetrainingRow[]> {
  const query = state.selectFrom("retrainings").selectAll().orderBy("id", "desc");
  const rows = await (limit === undefined ? query : query.limit(limit)).execute();
  return rows as RetrainingRow[]; // SQLite gives every row its id
}

/** When the next one may begin, as ISO: so long after the last one that was not interrupted. Undefined when at once. */
export async function coolDownEnd(
  state: StateDatabase,
  { hours, now }: { hours: number; now: Date },
): Promise<string | undefined> {
  const last = (await listRetrainings(state, 20)).find(
    ({ outcome }) => outcome !== "interrupted" && outcome !== "running",
  );
  if (last === undefined) return undefined;
  const end = Date.parse(last.at) + hours * 3_600_000;
  return end > now.getTime() ? new Date(end).toISOString() : undefined;
}
