import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { z } from "zod";
import { makeFolder, renameDurably, syncPath, writeDurably } from "../../core/durable.ts";
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
  /** The rules that hold for its lists, as JSON. */
  rules?: string | undefined;
}

/**
 * The tables of a store, one SQLite file that is written once and read by key.
 * - `lists`: items (JSON of ServedItem[] with `rank` first, scores as they are served) by user and shelf; the shelves are
 *   discover, without tracks that the user is known to have played, and on_repeat.
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
  makeFolder(folder, { mode: 0o700 });
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

/** `champion` is served to all but the users of an experiment. */
export type ServedAlias = "champion" | "challenger";

const POINTERS: Record<ServedAlias, string> = { champion: "current.json", challenger: "challenger.json" };
export const ALIASES = ["champion", "challenger"] as const;

/**
 * Gives a finished store its name, which ends with the beginning of its checksum, and makes it the one that is
 * served, by one rename; keeps the last `keep` and those that are pointed to.
 */
export function makeCurrent(
  folder: string,
  {
    name,
    version,
    keep,
    alias = "champion",
  }: { name: string; version: number; keep: number; alias?: ServedAlias },
): string {
  const store = sealStore(folder, unfinishedFile(folder, name), name);
  pointTo(folder, { alias, store, version });
  const pointed = ALIASES.flatMap((one) => pointedTo(folder, one)?.store ?? []);
  for (const old of listStores(folder).slice(keep))
    if (!pointed.includes(old)) rmSync(join(folder, old), { force: true });
  return store;
}

/** Gives a finished file its name with its checksum, which it returns, when all of it is on the disk. */
export function sealStore(folder: string, file: string, name: string): string {
  const store = `${name}-${checksumOf(readFileSync(file))}.db`;
  syncPath(file);
  renameDurably(file, join(folder, store));
  return store;
}

export function pointTo(
  folder: string,
  { alias, store, version }: { alias: ServedAlias; store: string; version: number },
): void {
  const pointer = join(folder, POINTERS[alias]);
  writeDurably(pointer, JSON.stringify({ store, model_version: version }));
}

/** The names of the stores that are there, the newest first. */
export function listStores(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".db"))
    .sort()
    .reverse();
}

function pointedTo(folder: string, alias: ServedAlias): z.output<typeof pointerSchema> | undefined {
  const pointer = join(folder, POINTERS[alias]);
  if (!existsSync(pointer)) return undefined;
  try {
    return pointerSchema.parse(JSON.parse(readFileSync(pointer, "utf8")));
  } catch (error) {
    throw damagedStore(pointer, error);
  }
}

/** The store that is served now; undefined before the first inference. A server asks now and then and opens what is new. */
export function currentStore(
  folder: string,
  alias: ServedAlias = "champion",
): { file: string; modelVersion: number } | undefined {
  const found = pointedTo(folder, alias);
  return found && { file: join(folder, found.store), modelVersion: found.model_version };
}

function checksumOf(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex").slice(0, CHECKSUM_DIGITS);
}

const CHECKSUM_DIGITS = 16;

/** The beginning of the checksum of a store's bytes, as its name has it. */
export function sealOf(file: string): string | undefined {
  return /-([0-9a-f]+)\.db$/.exec(file)?.[1];
}

/** Throws RECO_STORE_DAMAGED when the SHA-256 of a store's bytes is not the one that its name says. */
export function checkSeal(file: string, sha256: string): void {
  const wanted = sealOf(file);
  const found = sha256.slice(0, CHECKSUM_DIGITS);
  if (found !== wanted)
    throw damagedStore(file, new Error(`its checksum is ${found}, its name says ${wanted ?? "none"}`));
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

export const metaSchema = z.object({
  format: z.literal(1),
  inference_id: z.string(),
  model_version: z.number(),
  basis: z.string(),
  cutoff: z.string(),
  created_at: z.string(),
  expires_at: z.string(),
  users: z.number(),
  rules: z.string().optional(),
});

export function writeMeta(store: Sqlite.Database, meta: StoreMeta): void {
  const insert = store.prepare("insert into meta (name, value) values (?, ?)");
  for (const [name, value] of Object.entries(meta)) insert.run(name, JSON.stringify(value));
}

export function damagedStore(file: string, error: unknown): ProjectError {
  return new ProjectError("RECO_STORE_DAMAGED", {
    message: "the prepared lists cannot be read",
    where: file,
    why: [messageOf(error)],
    hint: "make them again: run reco infer --full",
    exitCode: EXIT.environment,
    cause: error,
  });
}
