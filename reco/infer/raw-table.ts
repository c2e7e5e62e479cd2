import type { Engine, Session } from "../../engines/engine.ts";
import { packRows } from "../../engines/packed-rows.ts";

/** Where inference lands what it made; `source('reco', 'recommendations')`. */
export const RAW_RECOMMENDATIONS = { schema: "raw_reco", name: "recommendations" };

/** The first list of each user that the champion made: what its later lists are compared with. */
export const RAW_FIRST_LISTS = { schema: "raw_reco", name: "first_lists" };
/** How much of a list, and of which one. */
export const FIRST_LISTS = { shelf: "discover", depth: 10 };

/** The tables with no rows, unless they are there: models that read them can be built before the first inference. */
export async function createRecommendationTable(engine: Engine): Promise<void> {
  await engine.createSchemas([RAW_RECOMMENDATIONS.schema]);
  const session = await engine.openSession();
  try {
    await session.run(
      `create table if not exists ${engine.nameOf(RAW_RECOMMENDATIONS)} (
  user_id varchar, shelf varchar, rank integer, track_id varchar, score double, why varchar,
  model_version integer, inference_id varchar, recommended_at timestamp, expires_at timestamp)`,
    );
    await session.run(
      `create table if not exists ${engine.nameOf(RAW_FIRST_LISTS)} (
  user_id varchar, rank integer, track_id varchar, score double, model_version integer)`,
    );
  } finally {
    session.close();
  }
}

export interface Landed {
  user_id: string;
  shelf: string;
  rank: number;
  track_id: string;
  score: number;
  why: string;
}

/** Replaces the lists of these users, or all lists, in one transaction. */
export async function landRecommendations(
  engine: Engine,
  session: Session,
  {
    rows,
    users,
    inference,
  }: {
    rows: readonly Landed[];
    /** Null replaces everything. */
    users: readonly string[] | null;
    inference: { id: string; version: number; at: string; expiresAt: string };
  },
): Promise<void> {
  await createRecommendationTable(engine);
  const table = engine.nameOf(RAW_RECOMMENDATIONS);
  const landing = await session.createLandingTable("new_recommendations", {
    user_id: "text",
    shelf: "text",
    rank: "integer",
    track_id: "text",
    score: "text",
    why: "text",
  });
  for (let start = 0; start < rows.length; start += LANDED_AT_ONCE)
    await session.land(landing, [packRows(columnsOf(rows.slice(start, start + LANDED_AT_ONCE)))]);
  const gone = await session.createLandingTable("former_users", { user_id: "text" });
  if (users !== null && users.length > 0) await session.land(gone, [packRows([users])]);
  const time = (text: string) => `cast(${engine.literal(text.replace("Z", ""))} as timestamp)`;
  await session.transaction(async () => {
    await session.run(
      users === null
        ? `delete from ${table}`
        : `delete from ${table} where user_id in (select user_id from ${gone})`,
    );
    await session.run(
      `insert into ${table} select user_id, shelf, rank, track_id, cast(score as double), why, ${inference.version}, ${engine.literal(inference.id)}, ${time(inference.at)}, ${time(inference.expiresAt)} from ${landing}`,
    );
    await keepFirstLists(engine, session, { landing, version: inference.version });
  });
}

async function keepFirstLists(
  engine: Engine,
  session: Session,
  { landing, version }: { landing: string; version: number },
): Promise<void> {
  const table = engine.nameOf(RAW_FIRST_LISTS);
  await session.run(`delete from ${table} where model_version <> ${version}`);
  await session.run(
    `insert into ${table} select user_id, rank, track_id, cast(score as double), ${version} from ${landing}
where shelf = ${engine.literal(FIRST_LISTS.shelf)} and rank <= ${FIRST_LISTS.depth} and user_id not in (select user_id from ${table})`,
  );
}

const LANDED_AT_ONCE = 50_000;

function columnsOf(rows: readonly Landed[]) {
  const column = <K extends keyof Landed>(name: K) => rows.map((row) => row[name]);
  const scores = column("score").map(String);
  return [column("user_id"), column("shelf"), column("rank"), column("track_id"), scores, column("why")];
}
