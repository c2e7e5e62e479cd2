import type { Engine } from "../../engines/engine.ts";
import type { RawTables } from "./tables.ts";

/** The streams of a source whose last load went well. */
export async function wellLoadedStreams(engine: Engine, tables: RawTables): Promise<Set<string>> {
  const session = await engine.openSession();
  try {
    const { rows } = await session.query(
      `select stream from (
        select stream, outcome, row_number() over (partition by stream order by load_id desc) as place
        from ${tables.loads}
      ) as loads where place = 1 and outcome = 'ok'`,
    );
    return new Set(rows.map(([stream]) => String(stream)));
  } finally {
    session.close();
  }
}
