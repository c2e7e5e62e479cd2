import { ProjectError } from "../../core/errors.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import type { StreamResult } from "../stream-result.ts";
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

const ROWS_AT_ONCE = 2000;

/**
 * The texts of all current records of a stream, in the order of their keys; of this run's load when it is loaded
 * in this run. Throws PARENT_FAILED, PARENT_MISSING.
 */
export async function* parentRecords(place: ParentPlace): AsyncGenerator<string> {
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
  const session = await engine.openSession();
  try {
    yield* recordsOf(session, engine, engine.nameOf(relation));
  } finally {
    session.close();
  }
}

async function* recordsOf(session: Session, engine: Engine, view: string): AsyncGenerator<string> {
  let after = "";
  for (;;) {
    const { rows } = await session.query(
      `select _key, record from ${view} ${after} order by _key limit ${ROWS_AT_ONCE}`,
    );
    for (const [, record] of rows) yield String(record);
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
