import type { Engine, Session } from "../../engines/engine.ts";
import { relationKey } from "../../engines/engine.ts";
import type { RawTables } from "../raw/tables.ts";
import { membersOf } from "../records/json-text.ts";
import type { Exchange } from "./compare.ts";

export interface RenamePlace {
  engine: Engine;
  session: Session;
  tables: RawTables;
  stream: string;
  /** What has landed, for SQL. */
  landed: string;
}

/** Records that a guess looks at. */
const SAMPLE = 500;
/** The part of the values that have to be the same. */
const ALIKE = 0.9;
/** What all records have alike, such as a flag, is no sign. */
const FEWEST_VALUES = 2;

/**
 * Former names by new ones, where a member that is gone had the values that a new one has: in the same records as far
 * as those were there before, else among all.
 */
export async function guessRenames(
  place: RenamePlace,
  { gone, added }: Exchange,
): Promise<Map<string, string>> {
  const renames = new Map<string, string>();
  const { engine, tables, stream } = place;
  const isThere = (await engine.relations()).has(relationKey({ schema: tables.schema, name: stream }));
  if (gone.length === 0 || added.length === 0 || !isThere) return renames;
  const pairs = await samePairs(place);
  const isSame = pairs.length > 0 ? inPairs(pairs) : amongAll(await samples(place));
  for (const member of added) {
    const former = gone.find((name) => ![...renames.values()].includes(name) && isSame(name, member));
    if (former !== undefined) renames.set(member, former);
  }
  return renames;
}

type Values = Map<string, string>;
type IsSame = (former: string, member: string) => boolean;

function inPairs(pairs: readonly (readonly [former: Values, now: Values])[]): IsSame {
  return (former, member) => {
    const values = pairs
      .map(([before, now]) => [before.get(former), now.get(member)])
      .filter(([one, other]) => one !== undefined && other !== undefined);
    const same = values.filter(([one, other]) => one === other);
    const isVaried = new Set(same.map(([one]) => one)).size >= Math.min(FEWEST_VALUES, values.length);
    return same.length > 0 && isVaried && same.length >= ALIKE * values.length;
  };
}

function amongAll({ before, now }: { before: Values[]; now: Values[] }): IsSame {
  const distinct = (records: Values[], member: string) =>
    new Set(records.flatMap((one) => one.get(member) ?? []));
  return (former, member) => {
    const [known, came] = [distinct(before, former), distinct(now, member)];
    const same = [...came].filter((value) => known.has(value));
    return same.length > FEWEST_VALUES && same.length >= ALIKE * came.size;
  };
}

/** Records that came, each with the current version of its key. */
async function samePairs({ engine, session, tables, stream, landed }: RenamePlace) {
  const table = engine.nameOf({ schema: tables.schema, name: stream });
  const { rows } = await session.query(
    `select versions.record, landed.record
from (select "key", record from ${landed} as all_landed where "key" is not null order by page, "position" limit ${SAMPLE}) as landed
join ${table} as versions on versions._key = landed."key"
where versions._to_load is null and not versions._deleted`,
  );
  return rows.flatMap(([before, now]) => {
    const [one, other] = [valuesOf(before), valuesOf(now)];
    return one === null || other === null ? [] : [[one, other] as const];
  });
}

async function samples({ engine, session, tables, stream, landed }: RenamePlace) {
  const table = engine.nameOf({ schema: tables.schema, name: stream });
  const read = async (query: string) => {
    const { rows } = await session.query(`${query} limit ${SAMPLE}`);
    return rows.flatMap(([record]) => valuesOf(record) ?? []);
  };
  return {
    before: await read(`select record from ${table} where _to_load is null and not _deleted order by _key`),
    now: await read(`select record from ${landed} as landed order by page, "position"`),
  };
}

/** By member the text of its value; nulls are none. Null of what is no object. */
function valuesOf(record: unknown): Values | null {
  const text = String(record);
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  if (!text.startsWith("{")) return null;
  const members = membersOf(text, 0).map(({ name, start, end }) => [name, text.slice(start, end)] as const);
  return new Map(members.filter(([, value]) => value !== "null"));
}
