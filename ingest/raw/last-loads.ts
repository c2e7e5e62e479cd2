import type { Engine } from "../../engines/engine.ts";
import type { RawTables } from "./tables.ts";

/** The streams of a source whose last load went well, and that were not reset since. */
export async function wellLoadedStreams(engine: Engine, tables: RawTables): Promise<Set<string>> {
  const session = await engine.openSession();
  try {
    const { rows } = await session.query(
      `select stream from (
        select stream, outcome, mode, row_number() over (partition by stream order by load_id desc) as place
        from ${tables.loads} where mode <> 'prune'
      ) as loads where place = 1 and outcome = 'ok' and mode <> 'reset'`,
    );
    return new Set(rows.map(([stream]) => String(stream)));
  } finally {
    session.close();
  }
}
