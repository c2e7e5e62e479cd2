import { relationKey } from "../../engines/engine.ts";
import { sqlTime } from "../raw/tables.ts";
import type { Warehouse } from "../reader.ts";

/** What is known of a file that was loaded. */
export interface LoadedFile {
  size: number;
  modified: string;
  hash: string;
}

const FILES = "_files";
const RECORDS = "_file_records";

function namesOf({ engine, tables: { schema } }: Warehouse) {
  return { files: engine.nameOf({ schema, name: FILES }), records: engine.nameOf({ schema, name: RECORDS }) };
}

/** Makes the tables that tell which files of a source were loaded, and which keys came with each. */
async function createFileTables(warehouse: Warehouse): Promise<void> {
  const { engine, session, tables } = warehouse;
  const { files, records } = namesOf(warehouse);
  const existing = await engine.relations();
  const isMissing = (name: string) => !existing.has(relationKey({ schema: tables.schema, name }));
  if (isMissing(FILES))
    await session.run(`create table ${files} (
      stream varchar, file varchar, size_bytes bigint, modified_ns bigint, hash varchar, records bigint,
      load_id bigint, loaded_at timestamp
    )`);
  if (isMissing(RECORDS))
    await session.run(`create table ${records} (stream varchar, file varchar, "key" varchar)`);
}

export async function loadedFiles(warehouse: Warehouse, stream: string): Promise<Map<string, LoadedFile>> {
  const { session, engine, tables } = warehouse;
  const existing = await engine.relations();
  if (!existing.has(relationKey({ schema: tables.schema, name: FILES }))) return new Map();
  const found = await session.query(
    `select file, size_bytes, modified_ns, hash from ${namesOf(warehouse).files} where stream = ${engine.literal(stream)}`,
  );
  return new Map(
    found.rows.map(([file, size, modified, hash]) => [
      String(file),
      { size: Number(size), modified: String(modified), hash: String(hash) },
    ]),
  );
}

/** One file of a load, with the numbers of its batches. */
export interface FileLoad extends LoadedFile {
  name: string;
  records: number;
  /** Null when its content is what it was: it was not read. */
  batches: { first: number; last: number } | null;
}

/** SQL: whether the key of a version came with these files alone. */
export function onlyInFiles(warehouse: Warehouse, stream: string, names: readonly string[]): string {
  if (names.length === 0) return "false";
  const { engine } = warehouse;
  const list = names.map(engine.literal).join(", ");
  const keys = (condition: string) =>
    `(select "key" from ${namesOf(warehouse).records} where stream = ${engine.literal(stream)} and file ${condition})`;
  return `versions._key in ${keys(`in (${list})`)} and versions._key not in ${keys(`not in (${list})`)}`;
}

/** Inside the load's transaction: what was read of which file. */
export async function writeFiles(
  warehouse: Warehouse,
  stream: string,
  load: {
    loadId: number;
    landed: string;
    loadedAt: Date;
    files: readonly FileLoad[];
    /** Files that are there no more. */
    gone: readonly string[];
    /** Keys of what was in a file before are still counted as its own: their deletion was not concluded. */
    keepsKeys: boolean;
  },
): Promise<void> {
  const { engine, session } = warehouse;
  await createFileTables(warehouse);
  const tables = namesOf(warehouse);
  const { literal } = engine;
  const name = literal(stream);
  const forget = (table: string, names: readonly string[]) =>
    names.length === 0
      ? Promise.resolve(0)
      : session.run(
          `delete from ${table} where stream = ${name} and file in (${names.map(literal).join(", ")})`,
        );
  const read = load.files.filter(({ batches }) => batches !== null).map((file) => file.name);
  const gone = load.keepsKeys ? [] : load.gone;
  await forget(tables.files, [...load.files.map((file) => file.name), ...gone]);
  if (!load.keepsKeys) await forget(tables.records, [...read, ...gone]);
  for (const file of load.files) {
    const values = [
      literal(file.name),
      file.size,
      file.modified,
      literal(file.hash),
      file.records,
      load.loadId,
    ];
    await session.run(
      `insert into ${tables.files} values (${name}, ${values.join(", ")}, ${sqlTime(engine, load.loadedAt)})`,
    );
    if (file.batches === null) continue;
    const known = `select "key" from ${tables.records} where stream = ${name} and file = ${literal(file.name)}`;
    await session.run(
      `insert into ${tables.records} select distinct ${name}, ${literal(file.name)}, "key" from ${load.landed} as landed
      where page between ${file.batches.first} and ${file.batches.last} and "key" is not null and "key" not in (${known})`,
    );
  }
}

/** Inside a transaction: no file of the stream counts as loaded. */
export async function forgetFiles(warehouse: Warehouse, stream: string): Promise<void> {
  const { engine, session, tables } = warehouse;
  const existing = await engine.relations();
  for (const name of [FILES, RECORDS]) {
    const relation = { schema: tables.schema, name };
    if (existing.has(relationKey(relation)))
      await session.run(`delete from ${engine.nameOf(relation)} where stream = ${engine.literal(stream)}`);
  }
}
