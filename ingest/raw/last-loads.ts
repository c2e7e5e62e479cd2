import { type Engine, relationKey } from "../../engines/engine.ts";
import { ASIDE } from "./loads.ts";
import { rawTables } from "./tables.ts";
import { unfinishedStreams } from "./unfinished.ts";

/** The streams of a source whose last load went well, and that were not reset since. */
export async function wellLoadedStreams(engine: Engine, source: string): Promise<Set<string>> {
  const { schema, loads } = rawTables(engine, source);
  if (!(await engine.relations()).has(relationKey({ schema, name: "_loads" }))) return new Set();
  const session = await engine.openSession();
  try {
    const { rows } = await session.query(
      `select stream from (
        select stream, outcome, mode, row_number() over (partition by stream order by load_id desc) as place
        from ${loads} where mode not in ${ASIDE}
      ) as loads where place = 1 and outcome = 'ok' and mode <> 'reset'`,
    );
    const unfinished = await unfinishedStreams({ engine, session, tables: rawTables(engine, source) });
    return new Set(rows.map(([stream]) => String(stream)).filter((stream) => !unfinished.has(stream)));
  } finally {
    session.close();
  }
}
