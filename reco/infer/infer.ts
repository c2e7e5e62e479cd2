import { hash, randomUUID } from "node:crypto";
import { join } from "node:path";
import type Sqlite from "libsql";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { StateDatabase } from "../../state/database.ts";
import { addInference, findModel, readAliases } from "../../state/registry.ts";
import { alignModel } from "../candidates/align.ts";
import { rowRange, rowSize } from "../candidates/matrix.ts";
import type { Model } from "../candidates/model.ts";
import { NOTHING } from "../candidates/top.ts";
import { readErased } from "../feedback/erased.ts";
import { RAW_FEEDBACK } from "../feedback/raw-tables.ts";
import { readArtefact } from "../registry/artefact.ts";
import {
  createStore,
  currentStore,
  makeCurrent,
  openStore,
  type ServedAlias,
  type StoreMeta,
  writeMeta,
} from "../serve/store.ts";
import type { RecoSettings } from "../settings.ts";
import type { RecoSource } from "../tables.ts";
import { type Dataset, readCatalogue, readCutoffs, readDataset } from "../train/dataset.ts";
import { weightsOf } from "../train/interactions.ts";
import { listenerOf } from "../train/split.ts";
import { copyFeatures } from "./copy-features.ts";
import { createNeighbourhood, createPreparing, fallbackItems, type UserLists } from "./prepare.ts";
import { type Landed, landRecommendations } from "./raw-table.ts";

/** For whom lists are made: everybody, who listened within so many days, or who listened most. */
export type Scope = { kind: "all" } | { kind: "active"; days: number } | { kind: "top"; users: number };

export interface InferOptions {
  settings: RecoSettings;
  scope: Scope;
  /** Lists of users without new listens are made again too. */
  isFull: boolean;
  /** The challenger's lists go to serving alone: `raw_reco` has what most users get. */
  alias?: ServedAlias;
  folders: { projectDir: string; serving: string; feedbackFile: string };
}

export interface Inference {
  id: string;
  version: number;
  /** With lists made now. */
  users: number;
  /** Whose lists are kept: nothing new was heard of them. */
  skipped: number;
  /** In the store now. */
  listed: number;
  /** For the lists alone, without reading and writing. */
  listSeconds: number;
  seconds: number;
  store: string;
  expiresAt: string;
}

/**
 * Makes the lists of the champion, lands them in raw_reco and gives serving a new store, in this order: a crash in
 * between leaves the former store served, and the next inference goes over it again. Throws RECO_NO_CHAMPION
 * (exit 1) and RECO_ARTEFACT_DAMAGED (exit 4) before anything is written.
 */
export async function inferLists(
  ctx: Context,
  { source, state }: { source: RecoSource; state: StateDatabase },
  options: InferOptions,
): Promise<Inference> {
  const startedMs = performance.now();
  const { settings, folders } = options;
  const alias = options.alias ?? "champion";
  const { version, model: kept } = await readServed(state, { projectDir: folders.projectDir, alias });
  const catalogue = await readCatalogue(source);
  const cutoffs = await readCutoffs(source);
  if (cutoffs === undefined) throw noChampion();
  const dataset = await readDataset(source, {
    ...{ cutoff: cutoffs.newest, catalogue, open: "everything" },
    weights: weightsOf(settings),
  });
  const model = alignModel(kept, catalogue);
  const now = ctx.clock.now();
  const meta = metaOf(now, { version, cutoff: cutoffs.newest, dataset, options });
  const former = await readFormer(ctx, { options, meta, now });
  const isErased = readErased(folders.feedbackFile);
  const rows = (await rowsOf(source, dataset, options.scope)).filter(
    (row) => !isErased(dataset.users.ids[row] ?? ""),
  );
  const spoke = await usersWhoSpoke(source, former.since);
  const todo = rows.filter((row) => {
    const user = dataset.users.ids[row] ?? "";
    return spoke.has(user) || former.listens.get(user) !== listensOf(dataset, row);
  });
  const prepare = createPreparing(model, { catalogue, settings });
  const listMs = performance.now();
  const lists = new Map<string, UserLists>();
  for (const row of todo) lists.set(dataset.users.ids[row] ?? "", prepare(listenerOf(dataset, row)));
  const listSeconds = (performance.now() - listMs) / 1000;
  ctx.signal.throwIfAborted();
  if (alias === "champion")
    await landRecommendations(source.engine, source.session, {
      rows: [...lists].flatMap(([user, made]) => landedRows(user, made)),
      users: former.file === null ? null : [...lists.keys(), ...goneUsers(former, { rows, dataset })],
      inference: { id: meta.inference_id, version, at: meta.created_at, expiresAt: meta.expires_at },
    });
  const store = await writeStore(source, {
    folder: folders.serving,
    alias,
    former,
    meta,
    lists,
    rows,
    dataset,
    model,
    settings,
  });
  const seconds = (performance.now() - startedMs) / 1000;
  const scope = options.scope.kind;
  const counts = { users: lists.size, skipped: rows.length - todo.length };
  await addInference(state, {
    id: meta.inference_id,
    run_id: ctx.invocationId,
    version,
    at: meta.created_at,
    store,
    scope,
    ...counts,
    seconds,
    expires_at: meta.expires_at,
  });
  return {
    id: meta.inference_id,
    version,
    ...counts,
    listed: rows.length,
    listSeconds,
    seconds,
    store,
    expiresAt: meta.expires_at,
  };
}

/** The model that is to be served, whole. Throws RECO_NO_CHAMPION and RECO_ARTEFACT_DAMAGED. */
async function readServed(
  state: StateDatabase,
  { projectDir, alias }: { projectDir: string; alias: ServedAlias },
): Promise<{ version: number; model: Model }> {
  const { [alias]: wanted } = await readAliases(state);
  const row = wanted === undefined ? undefined : await findModel(state, wanted);
  if (row === undefined) throw noChampion(alias);
  const seal = { checksum: row.checksum, shape: JSON.parse(row.shape) };
  return { version: row.version, model: readArtefact(join(projectDir, row.artefact), seal) };
}

function noChampion(alias: ServedAlias = "champion"): ProjectError {
  return new ProjectError("RECO_NO_CHAMPION", {
    message: `no model is the ${alias} yet`,
    where: "run reco infer",
    hint: "train one first: run reco train",
    exitCode: EXIT.failed,
  });
}

function metaOf(
  now: Date,
  {
    version,
    cutoff,
    dataset,
    options: { settings, scope },
  }: { version: number; cutoff: string; dataset: Dataset; options: InferOptions },
): StoreMeta {
  const created = now.toISOString();
  const { ids, titles, artists } = dataset.catalogue;
  const basis = JSON.stringify([version, settings, scope, ids, titles, artists]);
  return {
    format: 1,
    // In the order of time; two of one moment are two all the same.
    inference_id: `${created.replace(/[-:.]/g, "")}-${randomUUID().slice(0, 8)}`,
    model_version: version,
    basis: hash("sha256", basis, "hex").slice(0, 16),
    cutoff,
    created_at: created,
    expires_at: new Date(now.getTime() + settings.expiry_hours * 3_600_000).toISOString(),
    users: 0,
    rules: JSON.stringify(settings.rules),
  };
}

interface Former {
  file: string | null;
  /** When it was made. */
  since: string | null;
  /** Listens that the lists of a user were made from. */
  listens: Map<string, number>;
}

/** The store whose lists can be kept; none when it is of another basis, has expired or everything is asked for. */
async function readFormer(
  ctx: Context,
  { options, meta, now }: { options: InferOptions; meta: StoreMeta; now: Date },
): Promise<Former> {
  const none = { file: null, since: null, listens: new Map<string, number>() };
  if (options.isFull) return none;
  try {
    const current = currentStore(options.folders.serving, options.alias);
    if (current === undefined) return none;
    const { store, meta: former } = openStore(current.file);
    try {
      const isFresh = former.expires_at > now.toISOString() && former.basis === meta.basis;
      if (!isFresh) return none;
      meta.expires_at = former.expires_at;
      const rows = store.prepare("select user_id, listens from users").all() as {
        user_id: string;
        listens: number;
      }[]; // its own table
      const listens = new Map(rows.map((row) => [row.user_id, row.listens]));
      return { file: current.file, since: former.created_at, listens };
    } finally {
      store.close();
    }
  } catch (error) {
    if (!(error instanceof ProjectError)) throw error;
    ctx.log.warn("reco_store_damaged", `all lists are made again: ${error.message} (${error.where})`);
    return none;
  }
}

/** What was said shortly before the lists were made may have been landed after that. */
const LANDED_LATER_MS = 3_600_000;

/** Users with feedback since the former lists were made. */
async function usersWhoSpoke(
  { session, engine }: RecoSource,
  since: string | null,
): Promise<ReadonlySet<string>> {
  if (since === null) return new Set();
  const from = new Date(Date.parse(since) - LANDED_LATER_MS).toISOString().replace("Z", "");
  const { rows } = await session.query(
    `select distinct user_id from ${engine.nameOf(RAW_FEEDBACK)}
where kind <> 'impression' and received_at >= cast(${engine.literal(from)} as timestamp)`,
  );
  return new Set(rows.map(([user]) => String(user)));
}

/** Users who had lists and are to have none. */
function goneUsers(
  { listens }: Former,
  { rows, dataset }: { rows: readonly number[]; dataset: Dataset },
): string[] {
  const listed = new Set(rows.map((row) => dataset.users.ids[row]));
  return [...listens.keys()].filter((user) => !listed.has(user));
}

function listensOf({ plays }: Dataset, row: number): number {
  return plays.values.subarray(...rowRange(plays, row)).reduce((sum, value) => sum + value, 0);
}

async function rowsOf(source: RecoSource, dataset: Dataset, scope: Scope): Promise<number[]> {
  const all = dataset.users.ids.map((_, row) => row);
  if (scope.kind === "all") return all;
  if (scope.kind === "top")
    return all
      .filter((row) => rowSize(dataset.plays, row) > 0)
      .sort((left, right) => listensOf(dataset, right) - listensOf(dataset, left) || left - right)
      .slice(0, scope.users);
  const { rows } = await source.session.query(
    `select distinct cast(user_id as varchar) from ${source.tables.listens}
where listened_at >= (select max(listened_at) from ${source.tables.listens}) - interval '${scope.days} days'`,
  );
  const active = new Set(rows.map(([id]) => String(id)));
  return all.filter((row) => active.has(dataset.users.ids[row] ?? ""));
}

function landedRows(user: string, { discover, on_repeat }: UserLists): Landed[] {
  return Object.entries({ discover, on_repeat }).flatMap(([shelf, items]) =>
    items.map(({ rank, track_id, score, why }) => ({ user_id: user, shelf, rank, track_id, score, why })),
  );
}

interface StoreContent {
  folder: string;
  alias: ServedAlias;
  former: Former;
  meta: StoreMeta;
  lists: ReadonlyMap<string, UserLists>;
  rows: readonly number[];
  dataset: Dataset;
  model: Model;
  settings: RecoSettings;
}

async function writeStore(source: RecoSource, content: StoreContent): Promise<string> {
  const { folder, former, meta, rows, settings } = content;
  const store = createStore(folder, meta.inference_id);
  try {
    if (former.file !== null) store.prepare("attach ? as former").run(former.file);
    store.exec("begin");
    writeLists(store, content);
    writeCommon(store, content);
    await copyFeatures(source, store, meta.cutoff);
    writeMeta(store, { ...meta, users: rows.length });
    store.exec("commit");
  } finally {
    store.close();
  }
  return makeCurrent(folder, {
    name: meta.inference_id,
    version: meta.model_version,
    keep: settings.keep,
    alias: content.alias,
  });
}

function writeLists(store: Sqlite.Database, { former, lists, rows, dataset }: StoreContent): void {
  const addList = store.prepare("insert into lists (user_id, shelf, items) values (?, ?, ?)");
  const addPlaylists = store.prepare("insert into playlists (user_id, playlists) values (?, ?)");
  const addUser = store.prepare("insert into users (user_id, segment, listens) values (?, ?, ?)");
  const keepers = ["lists", "playlists"].map((table) =>
    former.file === null
      ? undefined
      : store.prepare(`insert into ${table} select * from former.${table} where user_id = ?`),
  );
  for (const row of rows) {
    const user = dataset.users.ids[row] ?? "";
    addUser.run(user, dataset.users.segments[row] ?? "all", listensOf(dataset, row));
    const made = lists.get(user);
    if (made === undefined) {
      for (const keep of keepers) keep?.run(user);
      continue;
    }
    addList.run(user, "discover", JSON.stringify(made.discover));
    addList.run(user, "on_repeat", JSON.stringify(made.on_repeat));
    addPlaylists.run(user, JSON.stringify(made.playlists));
  }
}

function writeCommon(store: Sqlite.Database, { dataset, model, settings }: StoreContent): void {
  const { catalogue } = dataset;
  const addTrack = store.prepare("insert into tracks (track_id, title, artist, genres) values (?, ?, ?, ?)");
  const addSimilar = store.prepare("insert into similar (track_id, items) values (?, ?)");
  const similarItems = createNeighbourhood(model, { catalogue, settings });
  for (const [track, id] of catalogue.ids.entries()) {
    const genres = JSON.stringify(catalogue.genres[track] ?? []);
    addTrack.run(id, catalogue.titles[track] ?? "", catalogue.artists[track] ?? "", genres);
    addSimilar.run(id, JSON.stringify(similarItems(track)));
  }
  const addFallback = store.prepare("insert into fallbacks (segment, items) values (?, ?)");
  const segments = new Map([["all", NOTHING], ...dataset.segments]);
  for (const [segment, list] of segments)
    addFallback.run(segment, JSON.stringify(fallbackItems(list, { segment, catalogue, settings })));
}
