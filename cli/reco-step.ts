import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EXIT, ProjectError } from "../core/errors.ts";
import { type Engine, relationKey } from "../engines/engine.ts";
import { createFeedbackTables, RAW_FEEDBACK } from "../reco/feedback/raw-tables.ts";
import { type Inference, inferLists, type Scope } from "../reco/infer/infer.ts";
import type { ServedAlias } from "../reco/serve/store.ts";
import { type RecoSettings, readRecoSettings } from "../reco/settings.ts";
import type { RecoSource } from "../reco/tables.ts";
import { RECO_MODELS, type RecoTables } from "../reco/tables.ts";
import { shortHash, type TrainOptions } from "../reco/train/train.ts";
import { readLoads } from "../runner/build/reuse/sources.ts";
import { modelsOf, sourcesOf } from "../runner/graph/nodes.ts";
import { type BuildBook, noteForeign } from "../state/builds.ts";
import { openState, type StateDatabase } from "../state/database.ts";
import { packageVersion } from "./invocation.ts";
import { withWarehouse } from "./warehouse.ts";
import { openGraph, type Workspace } from "./workspace.ts";

/** What steps of recommendations work with. */
export interface RecoPlace {
  source: RecoSource;
  state: StateDatabase;
  settings: RecoSettings;
  book: BuildBook;
}

/** Holds the warehouse and the registry while `work` runs. Throws RECO_MODEL_MISSING (exit 2) and MODEL_NOT_BUILT. */
export async function withReco<T>(
  workspace: Workspace,
  command: string,
  work: (place: RecoPlace) => Promise<T>,
  { reads = [] }: { reads?: readonly string[] } = {},
): Promise<T> {
  const settings = readRecoSettings(workspace.project.file);
  findModels(workspace);
  return withWarehouse(
    workspace,
    command,
    (engine, book) => withRecoPlace(workspace, { engine, book, settings }, work),
    { reads },
  );
}

/** The same in a warehouse that is open already. */
export async function withRecoPlace<T>(
  workspace: Workspace,
  { engine, book, settings }: { engine: Engine; book: BuildBook; settings: RecoSettings },
  work: (place: RecoPlace) => Promise<T>,
): Promise<T> {
  const tables = await builtTables(workspace, engine);
  await createFeedbackTables(engine);
  const state = openState(workspace.folders.stateFile);
  const session = await engine.openSession();
  try {
    return await work({ source: { engine, session, tables }, state, settings, book });
  } finally {
    session.close();
    await state.destroy();
  }
}

/** Whether the project has all models that recommendations are made from. */
export function hasRecoModels(workspace: Workspace): boolean {
  const names = new Set(modelsOf(openGraph(workspace).graph).map(({ name }) => name));
  return Object.values(RECO_MODELS).every((name) => names.has(name));
}

function findModels(workspace: Workspace) {
  const models = new Map(modelsOf(openGraph(workspace).graph).map((model) => [model.name, model]));
  const missing = Object.values(RECO_MODELS).filter((name) => !models.has(name));
  if (missing.length > 0)
    throw new ProjectError("RECO_MODEL_MISSING", {
      message: `recommendations need models that this project does not have: ${missing.join(", ")}`,
      where: workspace.project.file.path,
      hint: "add them below models/, with the columns that docs/recommendations.md lists",
      exitCode: EXIT.usage,
    });
  return Object.entries(RECO_MODELS).flatMap(([key, name]) => {
    const model = models.get(name);
    return model === undefined ? [] : [[key, model] as const];
  });
}

async function builtTables(workspace: Workspace, engine: Engine): Promise<RecoTables> {
  const existing = await engine.relations();
  const models = findModels(workspace);
  const [absent] = models.filter(([, { relation }]) => !existing.has(relationKey(relation)));
  if (absent !== undefined)
    throw new ProjectError("MODEL_NOT_BUILT", {
      message: `${absent[1].name} was never built`,
      where: absent[1].file,
      hint: "fill the warehouse first: run pipeline",
    });
  const names = models.map(([key, { relation }]) => [key, engine.nameOf(relation)]);
  return Object.fromEntries(names) as unknown as RecoTables; // each of its keys has its model
}

/** What is learned from and by what, for the registry. */
export async function trainOptions(
  workspace: Workspace,
  { source, settings }: RecoPlace,
): Promise<TrainOptions> {
  const { ctx, folders } = workspace;
  const { engine, session, tables } = source;
  const { graph } = openGraph(workspace);
  const loads = await readLoads(engine, sourcesOf(graph), await engine.relations());
  const { rows } = await session.query(
    `select count(*), cast(max(listened_at) as varchar), count(distinct user_id) from ${tables.listens}`,
  );
  const [listens = 0, newest = null, users = 0] = rows[0] ?? [];
  const said = await session.query(
    `select count(*) from ${engine.nameOf(RAW_FEEDBACK)} where kind <> 'impression'`,
  );
  const feedback = Number(said.rows[0]?.[0] ?? 0);
  const dataVersion = { loads: Object.fromEntries(loads.streams), listens, users, newest, feedback };
  const models = modelsOf(graph).filter(({ name }) => name.startsWith("feat_"));
  return {
    settings,
    dataVersion: { ...dataVersion, hash: shortHash(dataVersion) },
    codeHash: shortHash([
      packageVersion(),
      programHash(),
      models.map(({ template }) => template.source),
      settings,
    ]),
    projectDir: ctx.projectDir,
    folder: folders.reco,
    promotes: settings.promotion.automatic,
  };
}

function programHash(): string {
  return createHash("sha256")
    .update(readFileSync(fileURLToPath(import.meta.url)))
    .digest("hex");
}

/** Makes the champion's lists and tells the book of builds that their table was written to. */
export async function inferStep(
  workspace: Workspace,
  { source, state, settings, book }: RecoPlace,
  { scope, isFull, alias = "champion" }: { scope: Scope; isFull: boolean; alias?: ServedAlias },
): Promise<Inference> {
  const { ctx, folders } = workspace;
  const { serving, feedbackFile } = folders;
  const place = { projectDir: ctx.projectDir, serving, feedbackFile };
  const inference = await inferLists(
    ctx,
    { source, state },
    { settings, scope, isFull, alias, folders: place },
  );
  noteForeign(book);
  return inference;
}
