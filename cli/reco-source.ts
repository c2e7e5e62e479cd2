import { type Engine, relationKey } from "../engines/engine.ts";
import { createRecommendationTable, RAW_RECOMMENDATIONS } from "../reco/infer/raw-table.ts";
import { type Graph, sourcesOf } from "../runner/graph/nodes.ts";

/** The table that inference writes to, where the project reads it: models over it can be built before there is a model. */
export async function createRecoSource(engine: Engine, graph: Graph): Promise<void> {
  const { schema, name } = RAW_RECOMMENDATIONS;
  const isRead = sourcesOf(graph).some(
    ({ relation }) => relation.schema === schema && relation.name === name,
  );
  if (isRead && !(await engine.relations()).has(relationKey(RAW_RECOMMENDATIONS)))
    await createRecommendationTable(engine);
}
