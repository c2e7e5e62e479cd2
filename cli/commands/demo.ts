import { environmentValue } from "../../core/config.ts";
import type { Engine } from "../../engines/engine.ts";
import { startApi } from "../../moovitamix/server.ts";
import { compileInline } from "../../runner/graph/compile.ts";
import { toCell } from "../answers.ts";
import type { Outcome } from "../outcome.ts";
import type { GraphPlan } from "../plan.ts";
import { formatTable } from "../print.ts";
import { recoSteps } from "../reco-demo.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import { type Workspace, withEnvironment } from "../workspace.ts";
import { pipelineOutcome, pipelineSteps, planPipeline } from "./pipeline.ts";

const API_URL = "MOOVITAMIX_URL";
/** Large enough for taste to show in the tables, small enough for a few seconds. */
const DEMO_DATA = { seed: 1, users: 1000, tracks: 2000, plays: 60_000 };

/** `run demo`: the whole job against a stand-in service that lives as long as the run, or against MOOVITAMIX_URL. */
export async function runDemo(workspace: Workspace, terminal: Terminal): Promise<Outcome> {
  const given = environmentValue(workspace.ctx.env, API_URL);
  if (given !== undefined) return demoAgainst(workspace, terminal);
  const api = await startApi(DEMO_DATA);
  try {
    const { invocationId } = workspace.ctx;
    terminal.story.write({
      level: "info",
      event: "stand_in_started",
      message: `Moovitamix stand-in started on ${api.url} for this run (set ${API_URL} to load from a real one)`,
      fields: {},
      invocationId,
    });
    return await demoAgainst(withEnvironment(workspace, { [API_URL]: api.url }), terminal);
  } finally {
    await api.stop();
  }
}

async function demoAgainst(workspace: Workspace, terminal: Terminal): Promise<Outcome> {
  const plan = await planPipeline(workspace, {});
  return withWarehouse(workspace, "run demo", async (engine, book) => {
    const results = await pipelineSteps(workspace, { engine, book }, plan);
    const outcome = pipelineOutcome(workspace, terminal, results);
    if (results.release === null) return outcome;
    const content = await topContent(workspace, terminal, { engine, plan: plan.graph });
    const reco = await recoSteps(workspace, terminal, { engine, book });
    const text = [outcome.text, content, reco.text, nextSteps(terminal)].filter(Boolean).join("\n\n");
    return { ...outcome, text, json: { ...outcome.json, ...reco.json } };
  });
}

const MOST_PLAYED = `
select tracks.track_name as track, tracks.artist_name as artist, count(*) as plays, count(distinct listens.user_id) as listeners
from {{ ref('fct_listens') }} as listens
join {{ ref('dim_tracks') }} as tracks on tracks.track_key = listens.track_key
group by tracks.track_key, tracks.track_name, tracks.artist_name
order by plays desc, track
limit 5`;

const TOP_GENRES = `
select genres.genre_name as genre, count(*) as plays, count(distinct listens.user_id) as listeners
from {{ ref('fct_listens') }} as listens
join {{ ref('bridge_track_genres') }} as bridge on bridge.track_key = listens.track_key
join {{ ref('dim_genres') }} as genres on genres.genre_key = bridge.genre_key
group by genres.genre_name
order by plays desc, genre
limit 5`;

async function topContent(
  workspace: Workspace,
  terminal: Terminal,
  { engine, plan }: { engine: Engine; plan: GraphPlan },
): Promise<string> {
  const { colors } = terminal;
  const session = await engine.openSession();
  const tableOf = async (title: string, sql: string) => {
    const rows = await session.query(compileInline(workspace.ctx, plan.scope, sql).sql);
    return `${colors.bold(title)}\n${formatTable(
      rows.columns,
      rows.rows.map((row) => row.map(toCell)),
      colors,
    )}`;
  };
  try {
    return `${await tableOf("Most played tracks", MOST_PLAYED)}\n\n${await tableOf("Most played genres", TOP_GENRES)}`;
  } finally {
    session.close();
  }
}

function nextSteps({ colors }: Terminal): string {
  const steps = [
    ["npm start", "again: loads only what changed"],
    ["npx run show fct_listens", "rows of a model"],
    ["npx run reco show", "the card of the model behind the recommendations"],
    ["npx run api --grow 5", "a service that grows on port 8000; then, beside it: npx run pipeline"],
    ["npx run history", "what ran here"],
    ["npx run --help", "all commands"],
  ];
  const lines = steps.map(([command = "", what = ""]) => `  ${colors.cyan(command.padEnd(26))} ${what}`);
  return [colors.bold("Next"), ...lines].join("\n");
}
