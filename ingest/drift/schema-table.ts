import type { Engine, Session } from "../../engines/engine.ts";
import type { RawTables } from "../raw/tables.ts";
import type { SchemaChange } from "./change.ts";
import { ABSENT, type Difference, type KnownMember } from "./compare.ts";

export interface SchemaPlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
}

/** What is known of the members of a stream's records. */
export async function knownMembers({ engine, session, tables, stream }: SchemaPlace): Promise<KnownMember[]> {
  const { rows } = await session.query(
    `select member, type, records, of_records from ${tables.members}
where stream = ${engine.literal(stream)} and to_load is null order by from_load`,
  );
  const known = new Map<string, KnownMember>();
  for (const [member, type, records, ofRecords] of rows) {
    const name = String(member);
    const one = known.get(name) ?? { name, types: new Map() };
    one.types.set(String(type), { records: Number(records), ofRecords: Number(ofRecords) });
    known.set(name, one);
  }
  return [...known.values()];
}

/** Inside the load's transaction. */
export async function writeDifference(
  { engine, session, tables, stream }: SchemaPlace,
  loadId: number,
  { opened, closed }: Difference,
): Promise<void> {
  const table = tables.members;
  const { literal } = engine;
  const name = literal(stream);
  if (closed.length > 0) {
    const which = closed.map(
      ({ member, type }) => `(member = ${literal(member)} and type = ${literal(type)})`,
    );
    await session.run(
      `update ${table} set to_load = ${loadId} where stream = ${name} and to_load is null and (${which.join(" or ")})`,
    );
  }
  if (opened.length === 0) return;
  const textOf = (text: string | null) => (text === null ? "null" : literal(text));
  const rows = opened.map(({ member, type, change, former, records, ofRecords }) => {
    const values = [name, literal(member), literal(type), loadId, "null", textOf(change), textOf(former)];
    return `(${[...values, records, ofRecords].join(", ")})`;
  });
  await session.run(`insert into ${table} values ${rows.join(", ")}`);
}

/** Inside a transaction: the next load is the first again. */
export async function forgetMembers({ engine, session, tables, stream }: SchemaPlace): Promise<void> {
  await session.run(`delete from ${tables.members} where stream = ${engine.literal(stream)}`);
}

/** A change, and the load that brought it. */
export interface RecordedChange extends SchemaChange {
  sinceLoad: number;
}

/** What has changed in a stream's records, the newest first; `until` is SQL of the last load that counts. */
export async function recordedChanges(
  { engine, session, tables, stream }: SchemaPlace,
  until: string,
): Promise<RecordedChange[]> {
  const { rows } = await session.query(
    `select member, type, change, former, records, of_records, from_load
from ${tables.members}
where stream = ${engine.literal(stream)} and change is not null and from_load <= ${until}
order by from_load desc, member, change, type`,
  );
  const changes = new Map<string, RecordedChange>();
  for (const [member, type, change, former, records, ofRecords, load] of rows) {
    const id = JSON.stringify([member, change, load]);
    const one = changes.get(id) ?? {
      change: change as SchemaChange["change"], // written by writeDifference
      member: String(member),
      former: former == null ? null : String(former),
      types: [],
      records: 0,
      ofRecords: Number(ofRecords),
      sinceLoad: Number(load),
    };
    if (type !== ABSENT) one.types.push(String(type));
    one.records += Number(records);
    changes.set(id, one);
  }
  return [...changes.values()];
}
