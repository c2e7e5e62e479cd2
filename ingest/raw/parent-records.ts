import { ProjectError } from "../../core/errors.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import type { StreamResult } from "../stream-result.ts";
import { cursorTable, type ParentCursor } from "./parent-cursors.ts";
import { rawSchema } from "./tables.ts";

export interface ParentPlace {
  /** Null when there is no warehouse yet. */
  engine: Engine | null;
  source: string;
  /** The child stream, for errors. */
  stream: string;
  parent: string;
  /** Set when the parent is loaded in the same run. */
  loading: Promise<StreamResult> | undefined;
}

export interface StoredParent {
  key: string;
  text: string;
  /** How far its list of the child stream has come; null when that has no cursor yet. */
  reached: ParentCursor | null;
}

const ROWS_AT_ONCE = 2000;

/**
 * All current records of a stream, in the order of their keys; of this run's load when it is loaded
 * in this run. Throws PARENT_FAILED, PARENT_MISSING.
 */
export async function* parentRecords(place: ParentPlace): AsyncGenerator<StoredParent> {
  const { engine, parent } = place;
  const loaded = await place.loading;
  if (loaded !== undefined && loaded.status !== "ok") {
    throw parentError(place, {
      code: "PARENT_FAILED",
      what: `its parent ${parent} was not loaded`,
      hint: `correct what ${parent} complains about, then run again`,
    });
  }
  const relation = { schema: rawSchema(place.source), name: `${parent}_latest` };
  if (engine === null || !(await engine.relations()).has(relationKey(relation))) {
    throw parentError(place, {
      code: "PARENT_MISSING",
      what: `its parent ${parent} was never loaded`,
      hint: `load both: run ingest ${place.source}.${parent} ${place.source}.${place.stream}`,
    });
  }
  const cursors = cursorTable(engine, rawSchema(place.source));
  const hasCursors = (await engine.relations()).has(relationKey(cursors.relation));
  const session = await engine.openSession();
  try {
    const names = { view: engine.nameOf(relation), cursors: hasCursors ? cursors.name : null };
    yield* recordsOf(session, engine, { ...names, stream: place.stream });
  } finally {
    session.close();
  }
}

async function* recordsOf(
  session: Session,
  engine: Engine,
  { view, cursors, stream }: { view: string; cursors: string | null; stream: string },
): AsyncGenerator<StoredParent> {
  const known =
    cursors === null
      ? "select _key, record, null, null from parents"
      : `select parents._key, parents.record, known."cursor", ${engine.epochMs("known.started_at")}
from parents left join ${cursors} as known on known.parent = parents._key and known.stream = ${engine.literal(stream)}`;
  let after = "";
  for (;;) {
    const { rows } = await session.query(
      `with parents as (select _key, record from ${view} ${after} order by _key limit ${ROWS_AT_ONCE})
${known} order by parents._key`,
    );
    for (const [key, record, cursor, startedMs] of rows) {
      const reached = cursor == null ? null : { text: String(cursor), at: new Date(Number(startedMs)) };
      yield { key: String(key), text: String(record), reached };
    }
    if (rows.length < ROWS_AT_ONCE) return;
    after = `where _key > ${engine.literal(String(rows.at(-1)?.[0]))}`;
  }
}

function parentError(
  { source, stream, parent }: ParentPlace,
  { code, what, hint }: { code: string; what: string; hint: string },
): ProjectError {
  return new ProjectError(code, {
    message: `${source}.${stream}: ${what}`,
    where: `${source}.${stream}`,
    why: [`each record of ${parent} is asked for its list; nothing of this stream was changed`],
    hint,
  });
}
