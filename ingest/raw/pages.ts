import type { Engine, Session } from "../../engines/engine.ts";
import type { StreamCounts } from "../stream-result.ts";
import type { RawTables } from "./tables.ts";

/** What a whole load of a stream left for the next one to compare with. */
export interface KnownPages {
  /** Digests of its pages, as the reader wrote them. */
  entries: Buffer;
  loadId: number;
  received: number;
  quarantined: number;
  /** Different keys that came with a good record. */
  keys: number;
  /** Records in quarantine whose key cannot be read. */
  keyless: number;
}

interface PagesPlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

/** Current records, and records in quarantine. */
function contentSql({ engine, tables, stream }: PagesPlace): { live: string; refused: string } {
  const table = engine.nameOf({ schema: tables.schema, name: stream });
  return {
    live: `(select count(*) from ${table} where _to_load is null and not _deleted)`,
    refused: `(select count(*) from ${tables.quarantine} where stream = ${engine.literal(stream)})`,
  };
}

/** Null when anything came between: a load, a reset, a command of the quarantine, another `definition`, rows that are gone. */
export async function readPages(place: PagesPlace, definition: string): Promise<KnownPages | null> {
  const { engine, session, tables, stream } = place;
  const name = engine.literal(stream);
  const found = await session.query(
    `select pages.load_id, loads.received, loads.quarantined, pages.keys, pages.keyless, pages.entries, pages.live, pages.refused
from ${tables.pages} as pages join ${tables.loads} as loads on loads.load_id = pages.load_id and loads.stream = pages.stream
where pages.stream = ${name} and pages.definition = ${engine.literal(definition)} and loads.outcome = 'ok'
  and pages.load_id = (select max(load_id) from ${tables.loads} where stream = ${name})`,
  );
  const [row, second] = found.rows;
  if (row === undefined || second !== undefined) return null;
  const [loadId, received, quarantined, keys, keyless, entries, live, refused] = row;
  if ((await session.kindOf({ schema: tables.schema, name: stream })) !== "table") return null;
  const sql = contentSql(place);
  const now = await session.query(`select ${sql.live}, ${sql.refused}`);
  if (Number(now.rows[0]?.[0]) !== Number(live) || Number(now.rows[0]?.[1]) !== Number(refused)) return null;
  return {
    entries: Buffer.from(String(entries), "base64"),
    loadId: Number(loadId),
    received: Number(received),
    quarantined: Number(quarantined),
    keys: Number(keys),
    keyless: Number(keyless),
  };
}

/** Inside the load's transaction, after its records. */
export async function writePages(
  place: PagesPlace,
  pages: Pick<KnownPages, "entries" | "loadId" | "keys" | "keyless"> & { definition: string },
): Promise<void> {
  const { engine, session, tables, stream } = place;
  const { live, refused } = contentSql(place);
  await session.run(`delete from ${tables.pages} where stream = ${engine.literal(stream)}`);
  await session.run(
    `insert into ${tables.pages} (stream, load_id, definition, keys, keyless, live, refused, entries)
select ${engine.literal(stream)}, ${pages.loadId}, ${engine.literal(pages.definition)}, ${pages.keys}, ${pages.keyless}, ${live}, ${refused}, ${engine.literal(pages.entries.toString("base64"))}`,
  );
}

/** A load that found the same pages is the one to compare with from now on. Inside its transaction. */
export async function passPagesOn(
  { engine, session, tables, stream }: PagesPlace,
  loadId: number,
): Promise<void> {
  await session.run(
    `update ${tables.pages} set load_id = ${loadId} where stream = ${engine.literal(stream)}`,
  );
}

/** Of a load of the same pages as the former one. */
export function unchangedCounts({ received, quarantined, keys }: KnownPages): StreamCounts {
  return {
    received,
    new: 0,
    changed: 0,
    unchanged: keys,
    duplicate: received - quarantined - keys,
    quarantined,
    deleted: 0,
  };
}
