import type { Context } from "../core/context.ts";
import type { StateDatabase } from "./database.ts";
import type { ExperimentRow, InferenceRow, ModelEventRow, ModelRow } from "./registry-tables.ts";

/** `champion` is served; `challenger` was trained last and waits, or was refused. */
export type ModelAlias = "champion" | "challenger";

export async function addExperiment(
  ctx: Context,
  state: StateDatabase,
  experiment: Omit<ExperimentRow, "id" | "run_id" | "created_at">,
): Promise<string> {
  const { count } = await state
    .selectFrom("experiments")
    .select((query) => query.fn.countAll<number>().as("count"))
    .executeTakeFirstOrThrow();
  const id = `e${Number(count) + 1}`;
  await state
    .insertInto("experiments")
    .values({
      ...experiment,
      id,
      run_id: ctx.invocationId,
      created_at: ctx.clock.now().toISOString(),
    })
    .execute();
  return id;
}

/** The newest first. */
export async function listExperiments(state: StateDatabase, limit: number): Promise<ExperimentRow[]> {
  const rows = await state.selectFrom("experiments").selectAll().orderBy("created_at", "desc").execute();
  return rows.sort((left, right) => Number(right.id.slice(1)) - Number(left.id.slice(1))).slice(0, limit);
}

export async function findExperiment(state: StateDatabase, id: string): Promise<ExperimentRow | undefined> {
  return state.selectFrom("experiments").selectAll().where("id", "=", id).executeTakeFirst();
}

export async function nextModelVersion(state: StateDatabase): Promise<number> {
  const row = await state
    .selectFrom("models")
    .select((query) => query.fn.max("version").as("newest"))
    .executeTakeFirst();
  return Number(row?.newest ?? 0) + 1;
}

/** Keeps a model and makes it the challenger. */
export async function addModel(ctx: Context, state: StateDatabase, model: ModelRow): Promise<void> {
  await state.transaction().execute(async (change) => {
    await change.insertInto("models").values(model).execute();
    await pointAlias(ctx, change, { alias: "challenger", version: model.version });
    await addEvent(ctx, change, {
      action: "registered",
      version: model.version,
      former: null,
      reason: model.gate,
    });
  });
}

/** The newest first. */
export async function listModels(state: StateDatabase): Promise<ModelRow[]> {
  return state.selectFrom("models").selectAll().orderBy("version", "desc").execute();
}

export async function findModel(state: StateDatabase, version: number): Promise<ModelRow | undefined> {
  return state.selectFrom("models").selectAll().where("version", "=", version).executeTakeFirst();
}

/** The version that each alias points to. */
export async function readAliases(state: StateDatabase): Promise<Partial<Record<ModelAlias, number>>> {
  const rows = await state.selectFrom("model_aliases").selectAll().execute();
  return Object.fromEntries(rows.map(({ alias, version }) => [alias, version]));
}

/** Makes a version the champion, which is no challenger any more, in one step with the entry of the audit trail. */
export async function moveChampion(
  ctx: Context,
  state: StateDatabase,
  move: { version: number; action: "promoted" | "rolled_back"; reason: string },
): Promise<void> {
  await state.transaction().execute(async (change) => {
    const former = (await readAliases(change)).champion ?? null;
    await pointAlias(ctx, change, { alias: "champion", version: move.version });
    await change
      .deleteFrom("model_aliases")
      .where("alias", "=", "challenger")
      .where("version", "=", move.version)
      .execute();
    await addEvent(ctx, change, { ...move, former });
  });
}

/** Writes down that a version was not promoted, and why. */
export async function noteRefusal(
  ctx: Context,
  state: StateDatabase,
  { version, reason }: { version: number; reason: string },
): Promise<void> {
  const former = (await readAliases(state)).champion ?? null;
  await addEvent(ctx, state, { action: "refused", version, former, reason });
}

/** The audit trail, the newest first. */
export async function listModelEvents(state: StateDatabase): Promise<ModelEventRow[]> {
  const rows = await state.selectFrom("model_events").selectAll().orderBy("id", "desc").execute();
  return rows as ModelEventRow[]; // SQLite gives every row its id
}

export async function addInference(state: StateDatabase, inference: InferenceRow): Promise<void> {
  await state.insertInto("inferences").values(inference).execute();
}

export async function lastInference(state: StateDatabase): Promise<InferenceRow | undefined> {
  return state.selectFrom("inferences").selectAll().orderBy("at", "desc").executeTakeFirst();
}

async function pointAlias(
  ctx: Context,
  state: StateDatabase,
  { alias, version }: { alias: ModelAlias; version: number },
): Promise<void> {
  const moved_at = ctx.clock.now().toISOString();
  await state
    .insertInto("model_aliases")
    .values({ alias, version, moved_at })
    .onConflict((conflict) => conflict.column("alias").doUpdateSet({ version, moved_at }))
    .execute();
}

async function addEvent(
  ctx: Context,
  state: StateDatabase,
  event: { action: string; version: number; former: number | null; reason: string },
): Promise<void> {
  await state
    .insertInto("model_events")
    .values({ ...event, at: ctx.clock.now().toISOString(), run_id: ctx.invocationId })
    .execute();
}
