import { z } from "zod";
import type { StateDatabase } from "../../state/database.ts";
import { listIncidents } from "../../state/incidents.ts";
import { findModel, lastInference, readAliases } from "../../state/registry.ts";
import { answersOf, worstOf } from "./answers.ts";
import { readBadRuns, readRuns } from "./read-runs.ts";
import { readFreshness, readModels, readProblems, readStreams, readTables } from "./read-series.ts";
import { readTests } from "./read-tests.ts";
import type { OpenIncident, Recommendations, Report, Stretch } from "./report.ts";

/** What the store knows of a stretch of time; `without` are the ids of runs that are left out. */
export async function readReport(
  state: StateDatabase,
  { project, stretch, without = [] }: { project: string; stretch: Stretch; without?: readonly string[] },
): Promise<Report> {
  const facts = {
    project,
    ...stretch,
    runs: await readRuns(state, stretch, without),
    bad_runs: await readBadRuns(state, stretch),
    streams: await readStreams(state, stretch),
    tests: await readTests(state, stretch),
    tables: await readTables(state, stretch),
    freshness: await readFreshness(state, stretch),
    models: await readModels(state, stretch),
    problems: await readProblems(state, stretch),
    incidents: await readIncidents(state),
    recommendations: await readRecommendations(state),
  };
  const answers = answersOf(facts);
  return { ...facts, answers, verdict: worstOf(answers) };
}

async function readIncidents(state: StateDatabase): Promise<OpenIncident[]> {
  const open = await listIncidents(state, { status: "open" });
  return open.map(({ id, title, severity, opened_at, affected }) => ({
    id,
    title,
    severity,
    opened_at,
    affected,
  }));
}

const figure = z.number().nullable().catch(null);
const listsSchema = z.object({ ndcg: figure, recall: figure, coverage: figure });
const none = { ndcg: null, recall: null, coverage: null };
const metricsSchema = z.object({ discover: listsSchema.catch(none), popularity: listsSchema.catch(none) });

/** Of the champion; null while there is none. */
async function readRecommendations(state: StateDatabase): Promise<Recommendations | null> {
  const { champion } = await readAliases(state);
  const model = champion === undefined ? undefined : await findModel(state, champion);
  if (model === undefined) return null;
  const { discover, popularity } = metricsSchema.parse(JSON.parse(model.metrics));
  const inference = await lastInference(state);
  return {
    version: model.version,
    cutoff: model.cutoff,
    ...discover,
    popularity_ndcg: popularity.ndcg,
    inferred_at: inference?.at ?? null,
    users: inference?.users ?? null,
  };
}
