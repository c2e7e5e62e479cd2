import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Value } from "../../engines/engine.ts";
import { ENTITIES, type Entity, featureValues } from "../infer/copy-features.ts";
import { currentStore, openStore } from "../serve/store.ts";
import type { RecoSource } from "../tables.ts";

/** What is known of an entity; null where nothing was known at that time. */
export interface Features {
  entity: Entity;
  id: Record<string, string>;
  /** Nothing from after it is in the values. */
  cutoff: string | null;
  values: Record<string, Value> | null;
}

/** The user alone, the track alone, or with both also the pair. */
export function entitiesOf({
  user,
  track,
}: {
  user?: string;
  track?: string;
}): [Entity, Record<string, string>][] {
  const own = user === undefined ? {} : { user_id: user };
  const other = track === undefined ? {} : { track_id: track };
  const found: [Entity, Record<string, string>][] = [];
  if (user !== undefined) found.push(["user", own]);
  if (track !== undefined) found.push(["track", other]);
  if (user !== undefined && track !== undefined) found.push(["user_track", { ...own, ...other }]);
  if (found.length > 0) return found;
  throw new ProjectError("FEATURES_USAGE", {
    message: "features of whom?",
    where: "run features get",
    hint: "give --user ID, --track ID or both",
    exitCode: EXIT.usage,
  });
}

/** The newest values by key from the serving store, without the warehouse; undefined while there is no store. */
export function readServedFeatures(
  folder: string,
  wanted: readonly [Entity, Record<string, string>][],
): Features[] | undefined {
  const current = currentStore(folder);
  if (current === undefined) return undefined;
  const { store } = openStore(current.file);
  try {
    const find = store.prepare(
      `select cutoff, "values" from features where entity = ? and id = ? and other_id = ?`,
    );
    return wanted.map(([entity, id]) => {
      const [first = "", second = ""] = Object.values(id);
      const row = find.get(entity, first, second) as { cutoff: string; values: string } | undefined; // its own table
      return {
        entity,
        id,
        cutoff: row?.cutoff ?? null,
        values: row === undefined ? null : JSON.parse(row.values),
      };
    });
  } finally {
    store.close();
  }
}

/** The values of the newest cut-off that is not after the moment; never those of a later one. */
export async function readPastFeatures(
  { session, tables, engine }: RecoSource,
  wanted: readonly [Entity, Record<string, string>][],
  moment: string,
): Promise<Features[]> {
  const found: Features[] = [];
  for (const [entity, id] of wanted) {
    const keys = Object.entries(id).map(
      ([name, value]) => `cast(${engine.quote(name)} as varchar) = ${engine.literal(value)}`,
    );
    const { columns, rows } = await session.query(
      `select * from ${tables[ENTITIES[entity].table]}
where ${keys.join(" and ")} and cutoff <= cast(${engine.literal(moment)} as timestamp)
order by cutoff desc limit 1`,
    );
    const [row] = rows;
    found.push({
      entity,
      id,
      cutoff: row === undefined ? null : String(row[columns.indexOf("cutoff")]),
      values: row === undefined ? null : featureValues(columns, row),
    });
  }
  return found;
}
