import { type Engine, relationKey } from "../engines/engine.ts";
import { createFeedbackTables, RAW_FEEDBACK, RAW_IMPRESSIONS } from "../reco/feedback/raw-tables.ts";
import { createRecommendationTable, RAW_RECOMMENDATIONS } from "../reco/infer/raw-table.ts";
import { type Graph, sourcesOf } from "../runner/graph/nodes.ts";

/** The tables that inference and feedback are landed in, where the project reads one: models over them can be built before. */
export async function createRecoSource(engine: Engine, graph: Graph): Promise<void> {
  const read = new Set(sourcesOf(graph).map(({ relation }) => relationKey(relation)));
  const wanted = [RAW_RECOMMENDATIONS, RAW_FEEDBACK, RAW_IMPRESSIONS].map(relationKey);
  if (!wanted.some((key) => read.has(key))) return;
  const existing = await engine.relations();
  if (wanted.every((key) => existing.has(key))) return;
  await createRecommendationTable(engine);
  await createFeedbackTables(engine);
}
