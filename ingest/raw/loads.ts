import type { Engine, Session } from "../../engines/engine.ts";
import type { StreamCounts, Traffic } from "../stream-result.ts";
import { type RawTables, sqlTime } from "./tables.ts";

/** A row of `_loads`. */
export interface LoadEntry extends Traffic {
  /** `full`, `incremental`, `append`, `backfill`; `reset`, `prune`, `replay` and `drop` are entries of those commands. */
  mode: string;
  /** The newest value of the cursor up to which all records are there; after `prune` the oldest load that can be read. */
  cursor: string | null;
  outcome: "ok" | "failed" | "interrupted";
  counts: StreamCounts;
  pages: number;
  startedAt: Date;
  endedAt: Date;
  /** Without secrets. */
  error: string | null;
}

/** SQL: entries of commands that say nothing of what the source holds, nor of a cursor. */
export const ASIDE = "('prune', 'replay', 'drop')";

interface LoadPlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

/**
 * One more than the source's highest. To be called inside the transaction that uses it. With a table of versions it
 * is also above theirs: the rows of `_loads` may be lost.
 */
export async function nextLoadId(session: Session, tables: RawTables, versions?: string): Promise<number> {
  const ofVersions = versions === undefined ? "0" : `(select coalesce(max(_from_load), 0) from ${versions})`;
  const found = await session.query(
    `select greatest(coalesce(max(load_id), 0), ${ofVersions}) + 1 from ${tables.loads}`,
  );
  return Number(found.rows[0]?.[0]);
}

export async function writeLoad(place: LoadPlace, loadId: number, entry: LoadEntry): Promise<void> {
  const { engine, session, tables, stream } = place;
  const values: Record<string, string> = {
    load_id: String(loadId),
    stream: engine.literal(stream),
    mode: engine.literal(entry.mode),
    cursor: entry.cursor === null ? "null" : engine.literal(entry.cursor),
    outcome: engine.literal(entry.outcome),
    pages: String(entry.pages),
    requests: String(entry.requests),
    retries: String(entry.retries),
    size_bytes: String(entry.sizeBytes),
    started_at: sqlTime(engine, entry.startedAt),
    ended_at: sqlTime(engine, entry.endedAt),
    error: entry.error === null ? "null" : engine.literal(entry.error),
  };
  for (const [name, count] of Object.entries(entry.counts)) values[name] = String(count);
  const columns = Object.keys(values).map(engine.quote).join(", ");
  await session.run(`insert into ${tables.loads} (${columns}) values (${Object.values(values).join(", ")})`);
}

/** Writes down, by itself, a load that changed no record: one that failed, one that takes back a cursor. Resolves with its id. */
export async function recordLoad(
  place: LoadPlace,
  entry: LoadEntry,
  alsoWrite: (loadId: number) => Promise<void> = async () => {},
): Promise<number> {
  return place.session.transaction(async () => {
    const loadId = await nextLoadId(place.session, place.tables);
    await writeLoad(place, loadId, entry);
    await alsoWrite(loadId);
    return loadId;
  });
}
