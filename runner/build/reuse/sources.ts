import {
  type Engine,
  type RelationKind,
  relationKey,
  type Session,
  SqlError,
} from "../../../engines/engine.ts";
import type { SourceNode } from "../../graph/nodes.ts";

/** What its readers compare: the same as long as its rows are. Without one nobody can tell, and why. */
export type Version = { version: string } | { unknown: string };

/** The newest loads of each stream that is landed in this warehouse. */
export interface Loads {
  /** By `schema.stream`: the newest load, prune or reset that changed something. */
  streams: ReadonlyMap<string, string>;
  /** By schema: the newest load of all. */
  schemas: ReadonlyMap<string, string>;
}

const OWN_TABLES = ["_loads", "_quarantine", "_schema", "_files", "_file_records"];

/** Asks the `_loads` tables of the schemas that the sources are in. */
export async function readLoads(
  engine: Engine,
  sources: readonly SourceNode[],
  existing: ReadonlyMap<string, RelationKind>,
): Promise<Loads> {
  const loads = { streams: new Map<string, string>(), schemas: new Map<string, string>() };
  const isLanded = (schema: string) =>
    ["_loads", "_quarantine"].every((name) => existing.has(relationKey({ schema, name })));
  const ours = sources.filter(({ relation }) => relation.database === undefined);
  const landed = [...new Set(ours.map(({ relation }) => relation.schema))].filter(isLanded);
  if (landed.length === 0) return loads;
  const session = await engine.openSession();
  try {
    for (const schema of landed) {
      for (const { stream, changed, newest } of await loadsOf(engine, session, schema)) {
        loads.streams.set(relationKey({ schema, name: stream }), String(changed));
        const key = schema.toLowerCase();
        loads.schemas.set(key, String(Math.max(newest, Number(loads.schemas.get(key) ?? 0))));
      }
    }
  } finally {
    session.close();
  }
  return loads;
}

/** Of each stream the newest entry that changed something, and the newest of all. */
async function loadsOf(
  engine: Engine,
  session: Session,
  schema: string,
): Promise<{ stream: string; changed: number; newest: number }[]> {
  const count = ["new", "changed", "deleted"].map(engine.quote).join(" + ");
  const sql = `select stream, coalesce(max(load_id) filter (where outcome = 'ok' and (${count} > 0 or mode in ('prune', 'reset', 'replay', 'drop'))), 0), max(load_id)
from ${engine.nameOf({ schema, name: "_loads" })}
group by stream
order by stream`;
  try {
    const { rows } = await session.query(sql);
    return rows.map(([stream, changed, newest]) => ({
      stream: String(stream),
      changed: Number(changed),
      newest: Number(newest),
    }));
  } catch (error) {
    if (error instanceof SqlError) return []; // A table of that name that is somebody else's.
    throw error;
  }
}

/** Whether the rows of a source are those of the last time. */
export function sourceVersion(
  { relation }: SourceNode,
  from: {
    loads: Loads;
    existing: ReadonlyMap<string, RelationKind>;
    /** Keys of the relations that nodes of the project are. */
    made: ReadonlySet<string>;
    /** What is known of builds, also those of other targets. */
    builds: ReadonlyMap<string, { version: string }>;
    foreign: string;
  },
): Version {
  if (relation.database !== undefined) return { unknown: "is outside of the warehouse" };
  const key = relationKey(relation);
  const stream = from.loads.streams.get(key) ?? from.loads.streams.get(key.replace(/_(latest|changes)$/, ""));
  if (stream !== undefined) return { version: `load ${stream}` };
  const newest = from.loads.schemas.get(relation.schema.toLowerCase());
  if (newest !== undefined && OWN_TABLES.includes(relation.name.toLowerCase()))
    return { version: `load ${newest}` };
  if (from.made.has(key)) return { unknown: "is also made by this project" };
  const kind = from.existing.get(key);
  if (kind === undefined) return { unknown: "is missing" };
  if (kind === "view") return { unknown: "is a view of which nobody knows what it shows" };
  const version = from.builds.get(key)?.version ?? `written ${from.foreign}`;
  return { version };
}
