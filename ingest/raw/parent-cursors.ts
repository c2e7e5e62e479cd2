import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { packRows } from "../../engines/packed-rows.ts";
import { type RawTables, sqlTime } from "./tables.ts";

/** How far the list of one parent has come. */
export interface ParentCursor {
  text: string;
  /** When the load that brought it began. */
  at: Date;
}

/** `_cursors` of a source: one row for each parent's list that has a cursor. */
export function cursorTable(engine: Engine, schema: string) {
  const relation = { schema, name: "_cursors" };
  return { relation, name: engine.nameOf(relation) };
}

interface Place {
  engine: Engine;
  session: Session;
  tables: RawTables;
}

/** Makes the table unless it is there. */
export async function createCursorTable({ engine, session, tables }: Place): Promise<void> {
  const { relation, name } = cursorTable(engine, tables.schema);
  if ((await engine.relations()).has(relationKey(relation))) return;
  await session.run(
    `create table ${name} (stream varchar, parent varchar, ${engine.quote("cursor")} varchar, load_id bigint, started_at timestamp)`,
  );
}

export interface NewCursors {
  stream: string;
  /** By the parent's key. */
  cursors: ReadonlyMap<string, string>;
  loadId: number;
  startedAt: Date;
  /** All lists were read whole: parents that are not among these have no cursor any more. */
  isWhole: boolean;
}

/** To be called inside the transaction of the records that the cursors speak of. */
export async function writeCursors(
  { engine, session, tables }: Place,
  { stream, cursors, loadId, startedAt, isWhole }: NewCursors,
): Promise<void> {
  const { name } = cursorTable(engine, tables.schema);
  const own = `stream = ${engine.literal(stream)}`;
  if (isWhole) await session.run(`delete from ${name} where ${own}`);
  if (cursors.size === 0) return;
  const landed = await session.createLandingTable(`${stream}_cursors`, { parent: "text", cursor: "text" });
  await session.land(landed, [packRows([[...cursors.keys()], [...cursors.values()]])]);
  await session.run(`delete from ${name} where ${own} and parent in (select parent from ${landed})`);
  await session.run(`insert into ${name} (stream, parent, ${engine.quote("cursor")}, load_id, started_at)
select ${engine.literal(stream)}, parent, ${engine.quote("cursor")}, ${loadId}, ${sqlTime(engine, startedAt)} from ${landed}`);
}

/** Forgets the cursors of a stream, if it has any. */
export async function forgetCursors({ engine, session, tables }: Place, stream: string): Promise<void> {
  const { relation, name } = cursorTable(engine, tables.schema);
  if (!(await engine.relations()).has(relationKey(relation))) return;
  await session.run(`delete from ${name} where stream = ${engine.literal(stream)}`);
}
