import type { SourceDefinition } from "../../core/sillon.ts";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";

/** The raw relations of a source, quoted for SQL. */
export interface RawTables {
  schema: string;
  /** One row for every load of a stream. */
  loads: string;
  /** One row for every record that was ever refused, and why. */
  quarantine: string;
  /** The members of records: one row for each type that values of one have had, from a load on. */
  members: string;
  /** The streams whose load has begun and not ended. */
  unfinished: string;
  /** Digests of the pages of the latest whole load of a stream. */
  pages: string;
}

export function rawSchema(source: string): string {
  return `raw_${source}`;
}

export function rawTables(engine: Engine, source: string): RawTables {
  const schema = rawSchema(source);
  return {
    schema,
    loads: engine.nameOf({ schema, name: "_loads" }),
    quarantine: engine.nameOf({ schema, name: "_quarantine" }),
    members: engine.nameOf({ schema, name: MEMBERS }),
    unfinished: engine.nameOf({ schema, name: "_unfinished" }),
    pages: engine.nameOf({ schema, name: "_pages" }),
  };
}

export const MEMBERS = "_schema";
const COUNTS = ["received", "new", "changed", "unchanged", "duplicate", "quarantined", "deleted"];

/** Makes what every load writes to, once for a source. Times are UTC. */
export async function createSourceTables(engine: Engine, tables: RawTables): Promise<void> {
  await engine.createSchemas([tables.schema]);
  const existing = await engine.relations();
  const isMissing = (name: string) => !existing.has(relationKey({ schema: tables.schema, name }));
  const session = await engine.openSession();
  try {
    if (isMissing("_loads")) await session.run(loadsTable(engine, tables));
    if (isMissing("_quarantine")) await session.run(quarantineTable(engine, tables));
    if (isMissing(MEMBERS)) await session.run(membersTable(tables));
    if (isMissing("_unfinished"))
      await session.run(
        `create table ${tables.unfinished} (stream varchar, mode varchar, started_at timestamp)`,
      );
    if (isMissing("_pages"))
      await session.run(
        `create table ${tables.pages} (
    stream varchar, load_id bigint, definition varchar, keys bigint, keyless bigint, live bigint, refused bigint,
    entries varchar
  )`,
      );
  } finally {
    session.close();
  }
}

function loadsTable(engine: Engine, tables: RawTables): string {
  const counts = COUNTS.map((name) => `${engine.quote(name)} bigint`).join(", ");
  return `create table ${tables.loads} (
    load_id bigint, stream varchar, mode varchar, outcome varchar, ${counts},
    ${engine.quote("cursor")} varchar, pages bigint, requests bigint, retries bigint, size_bytes bigint,
    started_at timestamp, ended_at timestamp, error varchar
  )`;
}

function quarantineTable(engine: Engine, tables: RawTables): string {
  return `create table ${tables.quarantine} (
    load_id bigint, stream varchar, page integer, ${engine.quote("position")} integer,
    reason varchar, ${engine.quote("key")} varchar, record varchar, quarantined_at timestamp
  )`;
}

function membersTable({ members }: RawTables): string {
  return `create table ${members} (
    stream varchar, member varchar, type varchar, from_load bigint, to_load bigint,
    change varchar, former varchar, records bigint, of_records bigint
  )`;
}

/** Makes a stream's table of versions, the view of its latest ones and that of its changes, unless they are there. */
export async function createStreamTable(
  session: Session,
  engine: Engine,
  relation: { schema: string; name: string },
): Promise<void> {
  const existing = await engine.relations();
  const latest = { schema: relation.schema, name: `${relation.name}_latest` };
  const table = engine.nameOf(relation);
  if (!existing.has(relationKey(relation))) {
    await session.run(`create table ${table} (
      _key varchar, _hash varchar using compression uncompressed, _from_load bigint, _to_load bigint,
      _loaded_at timestamp, _deleted boolean, record varchar
    )`);
  }
  if (!existing.has(relationKey(latest))) {
    const view = engine.nameOf(latest);
    await session.run(
      `create view ${view} as select * from ${table} where _to_load is null and not _deleted`,
    );
  }
  const changes = { schema: relation.schema, name: `${relation.name}_changes` };
  if (!existing.has(relationKey(changes))) await session.run(changesView(engine.nameOf(changes), table));
}

/** What each load did to each record; what came and went within one load is none of it. */
function changesView(view: string, table: string): string {
  return `create view ${view} as
select
  present._from_load as load_id,
  present._key,
  case
    when present._deleted then 'delete'
    when former._key is null or former._deleted then 'insert'
    else 'update'
  end as change,
  present._loaded_at,
  case when present._deleted then null else present.record end as record,
  case when not former._deleted then former.record end as former_record
from ${table} as present
left join ${table} as former
  on former._key = present._key
  and former._to_load = present._from_load
  and former._from_load < present._from_load
where present._to_load is null or present._to_load > present._from_load`;
}

/** Makes all that loads of the sources write to, unless it is there. */
export async function createRawTables(engine: Engine, sources: readonly SourceDefinition[]): Promise<void> {
  const session = await engine.openSession();
  try {
    for (const { name, streams } of sources) {
      const tables = rawTables(engine, name);
      await createSourceTables(engine, tables);
      for (const stream of streams)
        await createStreamTable(session, engine, { schema: tables.schema, name: stream.name });
    }
  } finally {
    session.close();
  }
}

/** A moment as the engines' SQL writes it. */
export function sqlTime(engine: Engine, moment: Date): string {
  const text = moment.toISOString().replace("T", " ").replace("Z", "");
  return `cast(${engine.literal(text)} as timestamp)`;
}
