import type { Engine, Session } from "../../engines/engine.ts";

/** Where feedback and answers are landed; `source('reco', 'feedback')`, `source('reco', 'impressions')`. */
export const RAW_FEEDBACK = { schema: "raw_reco", name: "feedback" };
export const RAW_IMPRESSIONS = { schema: "raw_reco", name: "impressions" };

const TABLES = [
  {
    relation: RAW_FEEDBACK,
    columns: `store varchar, seq bigint, idempotency_key varchar, user_id varchar, track_id varchar, kind varchar, listened_ms bigint,
  request_id varchar, shelf varchar, position integer, received_at timestamp`,
  },
  {
    relation: RAW_IMPRESSIONS,
    columns: `store varchar, seq bigint, request_id varchar, served_at timestamp, user_id varchar, shelf varchar, model_version integer,
  arm varchar, propensity double, is_fallback boolean, segment varchar, position integer, track_id varchar`,
  },
];

/** The tables with no rows, unless they are there: models that read them can be built before anybody was served. */
export async function createFeedbackTables(engine: Engine): Promise<void> {
  await engine.createSchemas([RAW_FEEDBACK.schema]);
  const session = await engine.openSession();
  try {
    await createTables(engine, session);
  } finally {
    session.close();
  }
}

async function createTables(engine: Engine, session: Session): Promise<void> {
  for (const { relation, columns } of TABLES)
    await session.run(`create table if not exists ${engine.nameOf(relation)} (${columns})`);
}
