import type { Context } from "../core/context.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";
import { type Engine, relationKey } from "../engines/engine.ts";
import { forgetMembers } from "./drift/schema-table.ts";
import { forgetFiles } from "./files/file-tables.ts";
import { nextLoadId, writeLoad } from "./raw/loads.ts";
import { forgetCursors } from "./raw/parent-cursors.ts";
import { createSourceTables, rawTables } from "./raw/tables.ts";
import { forgetLoad } from "./raw/unfinished.ts";
import { NO_COUNTS } from "./stream-result.ts";

export interface ResetResult {
  source: string;
  stream: string;
  /** Rows that were removed. */
  versions: number;
  quarantined: number;
}

/**
 * Forgets the cursor of a stream and which files were loaded, so that its next load reads everything; with `drop` also its records,
 * what is in quarantine and what is known of its records' members. The rows of `_loads` stay.
 */
export async function resetStream(
  ctx: Context,
  engine: Engine,
  { source, stream, drop }: { source: SourceDefinition; stream: StreamDefinition; drop: boolean },
): Promise<ResetResult> {
  const tables = rawTables(engine, source.name);
  await createSourceTables(engine, tables);
  const relation = { schema: tables.schema, name: stream.name };
  const isThere = (await engine.relations()).has(relationKey(relation));
  const table = engine.nameOf(relation);
  const session = await engine.openSession();
  try {
    return await session.transaction(async () => {
      const loadId = await nextLoadId(session, tables, isThere ? table : undefined);
      const versions = drop && isThere ? await session.run(`delete from ${table}`) : 0;
      const own = `stream = ${engine.literal(stream.name)}`;
      const quarantined = drop ? await session.run(`delete from ${tables.quarantine} where ${own}`) : 0;
      await forgetLoad({ engine, session, tables }, stream.name);
      await forgetCursors({ engine, session, tables }, stream.name);
      if (drop) await forgetMembers({ engine, session, tables, stream: stream.name });
      await forgetFiles({ engine, session, tables }, stream.name);
      const now = ctx.clock.now();
      await writeLoad({ engine, session, tables, stream: stream.name }, loadId, {
        ...EMPTY_LOAD,
        // What was removed with `drop`: reads as of before find nothing.
        counts: { ...NO_COUNTS, deleted: versions },
        mode: "reset",
        startedAt: now,
        endedAt: now,
      });
      return { source: source.name, stream: stream.name, versions, quarantined };
    });
  } finally {
    session.close();
  }
}

/** An entry of `_loads` that is none of a load. */
export const EMPTY_LOAD = {
  cursor: null,
  outcome: "ok" as const,
  counts: NO_COUNTS,
  pages: 0,
  requests: 0,
  retries: 0,
  sizeBytes: 0,
  error: null,
};
