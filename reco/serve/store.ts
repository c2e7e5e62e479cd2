import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { z } from "zod";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";

/** A recommended track as it is served; nothing else has to be looked up. */
export interface ServedItem {
  rank: number;
  track_id: string;
  title: string;
  artist: string;
  score: number;
  why: string;
}

/** What a store says of itself, the table `meta`, values as JSON. */
export interface StoreMeta {
  format: 1;
  inference_id: string;
  model_version: number;
  /** Of the model, rules and settings that the lists depend on: lists of another hash are not comparable. */
  basis: string;
  /** Of the features and the model: nothing after it was learned from. */
  cutoff: string;
  created_at: string;
  expires_at: string;
  users: number;
}

/**
 * The tables of a store, one SQLite file that is written once and read by key.
 * - `lists`: items (JSON of ServedItem[]) by user and shelf; the shelves are discover and on_repeat.
 * - `playlists`: by user, JSON of {name, items}[].
 * - `similar`: by track, JSON of ServedItem[].
 * - `fallbacks`: by segment (a genre, or `all`), JSON of ServedItem[], for users without a list.
 * - `users`: segment, and how many listens the lists were made from.
 * - `tracks`: title, artist, genres (JSON) by track.
 * - `features`: values (JSON) by entity (user, track, user_track), id and second id, with the cut-off they are of.
 */
const TABLES = `
create table meta (name text primary key, value text not null) without rowid;
create table lists (user_id text not null, shelf text not null, items text not null, primary key (user_id, shelf)) without rowid;
create table playlists (user_id text primary key, playlists text not null) without rowid;
create table similar (track_id text primary key, items text not null) without rowid;
create table fallbacks (segment text primary key, items text not null) without rowid;
create table users (user_id text primary key, segment text not null, listens integer not null) without rowid;
create table tracks (track_id text primary key, title text not null, artist text not null, genres text not null) without rowid;
create table features (entity text not null, id text not null, other_id text not null, cutoff text not null, "values" text not null, primary key (entity, id, other_id)) without rowid;
`;

/** Makes a new store aside. It becomes visible to nobody before `makeCurrent`. */
export function createStore(folder: string, name: string): Sqlite.Database {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = unfinishedFile(folder, name);
  for (const suffix of ["", "-wal", "-shm", "-journal"]) rmSync(`${file}${suffix}`, { force: true });
  const store = new Sqlite(file);
  // Nobody reads it before it has its name; whatever a crash leaves is made anew.
  store.exec("pragma journal_mode = off; pragma synchronous = off;");
  store.exec(TABLES);
  return store;
}

function unfinishedFile(folder: string, name: string): string {
  return join(folder, `${name}.db.tmp`);
}

const pointerSchema = z.object({ store: z.string().regex(/^[\w.-]+\.db$/), model_version: z.number() });

/** Gives a finished store its name and makes it the one that is served, by one rename; keeps the last `keep`. */
export function makeCurrent(
  folder: string,
  { name, version, keep }: { name: string; version: number; keep: number },
): string {
  const store = `${name}.db`;
  renameSync(unfinishedFile(folder, name), join(folder, store));
  const pointer = join(folder, "current.json");
  writeFileSync(`${pointer}.tmp`, JSON.stringify({ store, model_version: version }), { mode: 0o600 });
  renameSync(`${pointer}.tmp`, pointer);
  const others = readdirSync(folder).filter((file) => file.endsWith(".db") && file !== store);
  for (const old of others
    .sort()
    .reverse()
    .slice(keep - 1))
    rmSync(join(folder, old), { force: true });
  return store;
}

/** The store that is served now; undefined before the first inference. A server asks now and then and opens what is new. */
export function currentStore(folder: string): { file: string; modelVersion: number } | undefined {
  const pointer = join(folder, "current.json");
  if (!existsSync(pointer)) return undefined;
  try {
    const { store, model_version } = pointerSchema.parse(JSON.parse(readFileSync(pointer, "utf8")));
    return { file: join(folder, store), modelVersion: model_version };
  } catch (error) {
    throw damagedStore(pointer, error);
  }
}

/** Opens a store for reading. Throws RECO_STORE_DAMAGED (exit 4) when it is not a whole one. */
export function openStore(file: string): { store: Sqlite.Database; meta: StoreMeta } {
  if (!existsSync(file)) throw damagedStore(file, new Error("the file is missing"));
  const store = new Sqlite(file, { readonly: true });
  try {
    const [check] = store.prepare("pragma quick_check(1)").all() as { quick_check: string }[]; // SQLite's own answer
    if (check?.quick_check !== "ok") throw new Error(check?.quick_check ?? "no answer");
    const rows = store.prepare("select name, value from meta").all() as { name: string; value: string }[]; // its own table
    const meta = Object.fromEntries(rows.map(({ name, value }) => [name, JSON.parse(value)]));
    return { store, meta: metaSchema.parse(meta) };
  } catch (error) {
    store.close();
    throw damagedStore(file, error);
  }
}

const metaSchema = z.object({
  format: z.literal(1),
  inference_id: z.string(),
  model_version: z.number(),
  basis: z.string(),
  cutoff: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  users: z.number(),
});

export function writeMeta(store: Sqlite.Database, meta: StoreMeta): void {
  const insert = store.prepare("insert into meta (name, value) values (?, ?)");
  for (const [name, value] of Object.entries(meta)) insert.run(name, JSON.stringify(value));
}

function damagedStore(file: string, error: unknown): ProjectError {
  return new ProjectError("RECO_STORE_DAMAGED", {
    message: "the prepared lists cannot be read",
    where: file,
    why: [messageOf(error)],
    hint: "make them again: run reco infer --full",
    exitCode: EXIT.environment,
    cause: error,
  });
}
