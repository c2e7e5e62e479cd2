import { existsSync } from "node:fs";
import type Sqlite from "libsql";
import { type Engine, relationKey, type Session } from "../../engines/engine.ts";
import { packRows } from "../../engines/packed-rows.ts";
import { RAW_FIRST_LISTS, RAW_RECOMMENDATIONS } from "../infer/raw-table.ts";
import { openFeedback, readErasures } from "./open.ts";
import { createFeedbackTables, RAW_FEEDBACK, RAW_IMPRESSIONS } from "./raw-tables.ts";
import { ANSWER_COLUMNS } from "./tables.ts";

export interface Collected {
  feedback: number;
  answers: number;
  /** Users who asked to be forgotten and were still in raw_reco. */
  erased: number;
}

/** Of what was landed so much stays in the store: the latest words of listeners change their lists. */
const KEPT_DAYS = 90;

/**
 * Lands in raw_reco what the serving API has stored since the last time: rows and the place up to which they were
 * read are one and the same, so that each arrives once however often this is stopped. Who was erased goes from there.
 */
export async function collectFeedback(
  file: string,
  { engine, session, now }: { engine: Engine; session: Session; now: Date },
): Promise<Collected> {
  await createFeedbackTables(engine);
  if (!existsSync(file)) return { feedback: 0, answers: 0, erased: 0 };
  const store = openFeedback(file);
  try {
    const { value: id } = store.prepare("select value from meta where name = 'store'").get() as {
      value: string;
    }; // made with the tables
    const place = { engine, session, store, id };
    const erased = await eraseLanded(place);
    const feedback = await landNew(place, FEEDBACK);
    const answers = await landNew(place, ANSWERS);
    const before = new Date(now.getTime() - KEPT_DAYS * 86_400_000).toISOString();
    store.prepare("delete from answer_log where seq <= ?").run(await landedUpTo(place, ANSWERS));
    store
      .prepare("delete from feedback where seq <= ? and received_at < ?")
      .run(await landedUpTo(place, FEEDBACK), before);
    return { feedback, answers, erased };
  } finally {
    store.close();
  }
}

interface Place {
  engine: Engine;
  session: Session;
  store: Sqlite.Database;
  /** A store that was begun anew counts from one again. */
  id: string;
}

interface Stream {
  relation: { schema: string; name: string };
  from: string;
  /** Rows of the store that are landed in one transaction. */
  atOnce: number;
  columns: readonly string[];
  /** From the landed texts to the table's columns. */
  select: string;
}

const FEEDBACK: Stream = {
  relation: RAW_FEEDBACK,
  from: "feedback",
  atOnce: 5_000,
  columns: [
    ...["seq", "key", "user_id", "track_id", "kind", "listened_ms", "request_id", "shelf", "position"],
    "received_at",
  ],
  select: `cast(seq as bigint), "key", user_id, track_id, kind, cast(listened_ms as bigint), request_id, shelf,
  cast("position" as integer), cast(replace(received_at, 'Z', '') as timestamp)`,
};

/** The rows of a batch have its number. */
const ANSWERS: Stream = {
  relation: RAW_IMPRESSIONS,
  from: "answer_log, json_each(answer_log.answers) as answer, json_each(answer.value, '$[9]') as shown",
  atOnce: 10,
  columns: [
    "seq",
    ...ANSWER_COLUMNS.slice(0, 9).map((column, place) => `answer.value ->> ${place} as ${column}`),
    ...["shown.key + 1 as position", "shown.value as track_id"],
  ],
  select: `cast(seq as bigint), request_id, cast(replace(served_at, 'Z', '') as timestamp), user_id, shelf,
  cast(model_version as integer), arm, cast(propensity as double), is_fallback = '1', segment,
  cast("position" as integer), track_id`,
};

async function landNew(place: Place, stream: Stream): Promise<number> {
  const { engine, session, store } = place;
  const names = stream.columns.map((column) => column.split(" as ").at(-1) ?? column);
  const read = store.prepare(
    `select ${stream.columns.join(", ")} from ${stream.from} where seq > ? and seq <= ? order by seq`,
  );
  const table = stream.from.split(",")[0];
  const { last } = store.prepare(`select coalesce(max(seq), 0) as last from ${table}`).get() as {
    last: number;
  }; // its own table
  let landed = 0;
  for (let from = await landedUpTo(place, stream); from < last; from += stream.atOnce) {
    const rows = read.all(from, Math.min(last, from + stream.atOnce)) as Record<string, unknown>[]; // its own table
    if (rows.length === 0) continue;
    const landing = await session.createLandingTable(
      `new_${stream.relation.name}_${from}`,
      Object.fromEntries(names.map((name) => [name, "text" as const])),
    );
    await session.land(landing, [packRows(names.map((name) => rows.map((row) => textOf(row[name]))))]);
    await session.run(
      `insert into ${engine.nameOf(stream.relation)} select ${engine.literal(place.id)}, ${stream.select} from ${landing} order by cast(seq as bigint)`,
    );
    landed += rows.length;
  }
  return landed;
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

async function landedUpTo({ engine, session, id }: Place, { relation }: Stream): Promise<number> {
  const { rows } = await session.query(
    `select coalesce(max(seq), 0) from ${engine.nameOf(relation)} where store = ${engine.literal(id)}`,
  );
  return Number(rows[0]?.[0] ?? 0);
}

async function eraseLanded({ engine, session, store }: Place): Promise<number> {
  const { hashes, hashOf } = readErasures(store);
  if (hashes.size === 0) return 0;
  const relations = [RAW_FEEDBACK, RAW_IMPRESSIONS, RAW_RECOMMENDATIONS, RAW_FIRST_LISTS];
  const gone = new Set<string>();
  const existing = await engine.relations();
  for (const relation of relations) {
    if (!existing.has(relationKey(relation))) continue;
    const table = engine.nameOf(relation);
    const { rows } = await session.query(`select distinct user_id from ${table}`);
    const users = rows.map(([user]) => String(user)).filter((user) => hashes.has(hashOf(user)));
    for (const user of users) gone.add(user);
    if (users.length > 0)
      await session.run(`delete from ${table} where user_id in (${users.map(engine.literal).join(", ")})`);
  }
  return gone.size;
}
