import type { Engine, Session } from "../../engines/engine.ts";
import type { StreamCounts, Traffic } from "../stream-result.ts";
import { type RawTables, sqlTime } from "./tables.ts";

/** A row of `_loads`. */
export interface LoadEntry extends Traffic {
  outcome: "ok" | "failed";
  counts: StreamCounts;
  pages: number;
  startedAt: Date;
  endedAt: Date;
  /** Without secrets. */
  error: string | null;
}

interface LoadPlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

/** One more than the source's highest. To be called inside the transaction that uses it. */
export async function nextLoadId(session: Session, tables: RawTables): Promise<number> {
  const found = await session.query(`select coalesce(max(load_id), 0) + 1 from ${tables.loads}`);
  return Number(found.rows[0]?.[0]);
}

export async function writeLoad(place: LoadPlace, loadId: number, entry: LoadEntry): Promise<void> {
  const { engine, session, tables, stream } = place;
  const values: Record<string, string> = {
    load_id: String(loadId),
    stream: engine.literal(stream),
    mode: "'full'",
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

/** Writes down, by itself, that a load failed. Resolves with its id. */
export async function writeFailedLoad(place: LoadPlace, entry: LoadEntry): Promise<number> {
  return place.session.transaction(async () => {
    const loadId = await nextLoadId(place.session, place.tables);
    await writeLoad(place, loadId, entry);
    return loadId;
  });
}
