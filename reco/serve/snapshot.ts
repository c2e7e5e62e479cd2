import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import Sqlite from "libsql";
import Background from "libsql/promise";
import { messageOf } from "../../core/errors.ts";
import { checkSeal, damagedStore, metaSchema, type ServedItem, type StoreMeta, sealOf } from "./store.ts";

export interface TrackText {
  title: string;
  artist: string;
  genres: string[];
}

export interface PlayedBefore {
  track_id: string;
  plays: number;
  decayed: number;
}

/** One whole version of the prepared lists, open for reading by key. */
export interface Snapshot {
  file: string;
  meta: StoreMeta;
  /** Of every answer that has nothing but what is in the store. */
  etag: string;
  list(user: string, shelf: string): ServedItem[] | undefined;
  /** A user's list as it was written, and the user's segment. */
  listText(user: string, shelf: string): { items: string; segment: string } | undefined;
  fallbackText(segment: string): string | undefined;
  playlists(user: string): { name: string; items: ServedItem[] }[] | undefined;
  similar(track: string): ServedItem[] | undefined;
  /** Undefined for a segment that does not exist; `all` does. */
  fallback(segment: string): ServedItem[] | undefined;
  segmentOf(user: string): string | undefined;
  track(id: string): TrackText | undefined;
  /** All tracks in the order of their ids. */
  tracks(): { id: string; text: TrackText }[];
  genres(): string[];
  /** Tracks that the user had played when the lists were made. */
  played(user: string): PlayedBefore[];
  close(): void;
}

/** Opens a store whose bytes, shape and numbers are what they have to be. Throws RECO_STORE_DAMAGED (exit 4). */
export async function openSnapshot(file: string): Promise<Snapshot> {
  if (!existsSync(file)) throw damagedStore(file, new Error("the file is missing"));
  const sum = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) sum.update(chunk);
  checkSeal(file, sum.digest("hex"));
  const store = openReadOnly(file);
  try {
    const rows = store.prepare("select name, value from meta").all() as { name: string; value: string }[]; // its own table
    const meta = metaSchema.parse(
      Object.fromEntries(rows.map(({ name, value }) => [name, JSON.parse(value)])),
    );
    await checkShape(file, meta);
    return snapshotOf(store, { file, meta });
  } catch (error) {
    store.close();
    throw damagedStore(file, error);
  }
}

function openReadOnly(file: string): Sqlite.Database {
  try {
    return new Sqlite(file, { readonly: true });
  } catch (error) {
    throw damagedStore(file, error);
  }
}

const SHAPE = `select
  (select count(*) from users) as users,
  (select count(*) from lists) as lists,
  (select count(*) from fallbacks where segment = 'all') as fallbacks,
  (select count(*) from lists, json_each(lists.items) as item
    where typeof(item.value ->> 'score') not in ('integer', 'real') or abs(item.value ->> 'score') > 1e300
      or typeof(item.value ->> 'track_id') <> 'text' or typeof(item.value ->> 'rank') <> 'integer') as wrong`;

/** Beside the event loop: of many users it takes seconds. */
async function checkShape(file: string, meta: StoreMeta): Promise<void> {
  const background = new Background(file, { readonly: true });
  try {
    const query = await background.prepare(SHAPE);
    const [counts] = (await query.all()) as Record<"users" | "lists" | "fallbacks" | "wrong", number>[]; // its own table
    if (counts === undefined) throw new Error("it holds nothing");
    if (counts.users !== meta.users || counts.lists !== 2 * meta.users)
      throw new Error(
        `it says that it has lists of ${meta.users} users, and has ${counts.lists} lists of ${counts.users}`,
      );
    if (counts.fallbacks !== 1) throw new Error("it has no list for strangers");
    if (counts.wrong > 0)
      throw new Error(`${counts.wrong} recommended tracks have no rank, id or finite score`);
  } finally {
    background.close();
  }
}

function snapshotOf(store: Sqlite.Database, { file, meta }: { file: string; meta: StoreMeta }): Snapshot {
  const finder = (sql: string) => {
    const statement = store.prepare(sql);
    return (...keys: string[]) => {
      const row = statement.get(...keys) as { found: string } | undefined; // its own table
      return row?.found;
    };
  };
  const listText = store.prepare(
    "select items, segment from lists join users using (user_id) where user_id = ? and shelf = ?",
  );
  const list = finder("select items as found from lists where user_id = ? and shelf = ?");
  const playlists = finder("select playlists as found from playlists where user_id = ?");
  const similar = finder("select items as found from similar where track_id = ?");
  const popular = new Map(
    (store.prepare("select segment, items from fallbacks").all() as { segment: string; items: string }[]).map(
      ({ segment, items }) => [segment, { text: items, items: JSON.parse(items) as ServedItem[] }], // its own table
    ),
  );
  const segment = finder("select segment as found from users where user_id = ?");
  const track = finder(
    "select json_array(title, artist, json(genres)) as found from tracks where track_id = ?",
  );
  const tracks = store.prepare("select track_id, title, artist, genres from tracks order by track_id");
  const played = store.prepare(
    `select other_id as track_id, "values" ->> 'plays' as plays, "values" ->> 'decayed_plays' as decayed from features where entity = 'user_track' and id = ?`,
  );
  const genres = store
    .prepare(
      "select distinct item.value as genre from tracks, json_each(tracks.genres) as item order by genre",
    )
    .all() as { genre: string }[]; // its own table
  return {
    file,
    meta,
    etag: `"${sealOf(file)}"`,
    listText: (user, shelf) => listText.get(user, shelf) as { items: string; segment: string } | undefined, // its own table
    list: (user, shelf) => parsed(list(user, shelf)),
    playlists: (user) => parsed(playlists(user)),
    similar: (id) => parsed(similar(id)),
    fallback: (name) => popular.get(name)?.items,
    fallbackText: (name) => popular.get(name)?.text,
    segmentOf: (user) => segment(user),
    track: (id) => {
      const found = parsed<[string, string, string[]]>(track(id));
      return found && { title: found[0], artist: found[1], genres: found[2] };
    },
    tracks: () =>
      (tracks.all() as { track_id: string; title: string; artist: string; genres: string }[]).map(
        ({ track_id, title, artist, genres: own }) => ({
          id: track_id,
          text: { title, artist, genres: JSON.parse(own) },
        }),
      ), // its own table
    genres: () => genres.map(({ genre }) => genre),
    played: (user) =>
      (played.all(user) as { track_id: string; plays: unknown; decayed: unknown }[]).map((row) => ({
        track_id: row.track_id,
        plays: Number(row.plays),
        decayed: Number(row.decayed),
      })), // its own table
    close: () => store.close(),
  };
}

function parsed<T>(text: string | undefined): T | undefined {
  return text === undefined ? undefined : JSON.parse(text);
}

/** Why a store was refused, in one line without a path. */
export function refusalOf(error: unknown): string {
  const why = error !== null && typeof error === "object" && "why" in error ? error.why : undefined;
  return Array.isArray(why) && why.length > 0 ? why.join("; ") : messageOf(error);
}
