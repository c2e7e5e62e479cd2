import type Sqlite from "libsql";
import type { Value } from "../../engines/engine.ts";
import type { RecoSource } from "../tables.ts";

/** Entities of features, with the columns that are their keys. */
export const ENTITIES = {
  user: { table: "featUsers", keys: ["user_id"] },
  track: { table: "featTracks", keys: ["track_id"] },
  user_track: { table: "userTracks", keys: ["user_id", "track_id"] },
} as const;
export type Entity = keyof typeof ENTITIES;

/** Puts the features of a cut-off into the serving store, a row an entity: there a key is read in microseconds. */
export async function copyFeatures(
  { session, tables, engine }: RecoSource,
  store: Sqlite.Database,
  cutoff: string,
): Promise<void> {
  const add = store.prepare(
    `insert into features (entity, id, other_id, cutoff, "values") values (?, ?, ?, ?, ?)`,
  );
  for (const [entity, { table, keys }] of Object.entries(ENTITIES)) {
    const { columns, rows } = await session.query(
      `select * from ${tables[table]} where cutoff = cast(${engine.literal(cutoff)} as timestamp)`,
    );
    const places = keys.map((key) => columns.indexOf(key));
    for (const row of rows) {
      const [id = "", other = ""] = places.map((place) => String(row[place]));
      add.run(entity, id, other, cutoff, JSON.stringify(featureValues(columns, row)));
    }
  }
}

/** The features of a row by their names, without the keys and the cut-off. */
export function featureValues(columns: readonly string[], row: readonly Value[]): Record<string, Value> {
  const own = ["user_id", "track_id", "cutoff"];
  return Object.fromEntries(
    columns.flatMap((name, place) => (own.includes(name) ? [] : [[name, row[place] ?? null]])),
  );
}
