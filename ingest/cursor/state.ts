import type { CursorDefinition } from "../../core/sillon.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { ASIDE } from "../raw/loads.ts";
import type { RawTables } from "../raw/tables.ts";
import { later, type Position, positionAt, positionOf } from "./position.ts";
import { cursorText } from "./watch.ts";

/** Where the next load of a stream begins. */
export interface CursorState {
  /** The newest value up to which all records are there. */
  cursor: Position | null;
  /** When the load that brought it began: nothing later than that can have been missed. */
  loadedAt: Date | null;
}

export interface CursorPlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

const NOTHING: CursorState = { cursor: null, loadedAt: null };

/**
 * What the loads say of a stream's cursor. When they say nothing, because the rows of `_loads` are lost or the
 * stream was loaded whole until now, its records do.
 */
export async function readCursor(place: CursorPlace, cursor: CursorDefinition): Promise<CursorState> {
  const { session, tables, engine, stream } = place;
  const found = await session.query(
    `select mode, "cursor", (
  select ${engine.epochMs("max(started_at)")} from ${tables.loads} as whole
  where whole.stream = loads.stream and whole.outcome = 'ok' and whole.mode in ('full', 'incremental', 'append')
) from ${tables.loads} as loads
where stream = ${engine.literal(stream)} and outcome = 'ok' and mode not in ${ASIDE}
order by load_id desc limit 1`,
  );
  const [mode, text, startedMs] = found.rows[0] ?? [];
  const loadedAt = startedMs == null ? null : new Date(Number(startedMs));
  if (typeof text === "string") return { cursor: positionOf(cursor, text), loadedAt };
  if (mode !== undefined && mode !== "full") return NOTHING;
  return { cursor: await newestOfRecords(place, cursor), loadedAt };
}

/** Records read at once while a lost cursor is looked for. */
const PART_RECORDS = 5000;

async function newestOfRecords(
  { engine, session, tables, stream }: CursorPlace,
  cursor: CursorDefinition,
): Promise<Position | null> {
  const relation = { schema: tables.schema, name: stream };
  if (!(await engine.relations()).has(relationKey(relation))) return null;
  const table = engine.nameOf(relation);
  const about = await session.query(`select count(*), ${engine.epochMs("max(_loaded_at)")} from ${table}`);
  const [count, loadedMs] = (about.rows[0] ?? []).map(Number);
  // What was after the day that followed its load is not believed, as when it was loaded.
  const limit = positionAt(cursor, new Date((loadedMs ?? 0) + 86_400_000));
  const digits = Math.ceil(Math.log(Math.max(1, (count ?? 0) / PART_RECORDS)) / Math.log(16));
  let newest: Position | null = null;
  for (let part = 0; part < 16 ** digits; part++) {
    const prefix = part.toString(16).padStart(digits, "0").slice(0, digits);
    const rows = await session.query(`select record from ${table} where _hash like '${prefix}%'`);
    for (const [record] of rows.rows) {
      const text = cursorText(cursor.field, { text: String(record), value: JSON.parse(String(record)) });
      const position = typeof text === "string" ? positionOf(cursor, text) : null;
      if (position !== null && (limit === null || position.order <= limit.order))
        newest = later(newest, position);
    }
  }
  return newest;
}
