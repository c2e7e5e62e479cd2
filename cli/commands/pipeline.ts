import type { Engine } from "../../engines/engine.ts";
import { createRawTables } from "../../ingest/raw/tables.ts";
import type { StreamResult } from "../../ingest/stream-result.ts";
import { skippedResult } from "../../runner/build/outcome.ts";
import { hasFailed, type NodeResult } from "../../runner/build/results.ts";
import { isEphemeral } from "../../runner/graph/ephemeral.ts";
import { type ModelNode, modelsOf } from "../../runner/graph/nodes.ts";
import type { Release } from "../../runner/publish.ts";
import { formatStreams, summarizeRelease, summarizeStreams } from "../answers.ts";
import { writeArtifacts } from "../artifacts-step.ts";
import { collectBeforeBuild } from "../collect-step.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { formatGraph, formatSection, graphJson, summarizeGraph } from "../graph-answer.ts";
import { type IngestPlan, ingestStep, planIngest, readsPostgres } from "../ingest-step.ts";
import { streamJson } from "../json.ts";
import { exitCodeFor, failuresOf, type Outcome } from "../outcome.ts";
import { type GraphOutcome, graphOutcome } from "../outcomes.ts";
import { type GraphPlan, planGraph } from "../plan.ts";
import { modelsToPublish, publishStep } from "../publish-step.ts";
import type { RunOptions } from "../run-options.ts";
import { nodesStep, withRunHooks } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { type OpenWarehouse, withWarehouse } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";
import { releaseJson } from "./publish.ts";

export interface PipelineResults {
  /** Null when the raw tables were left as they are. */
  streams: StreamResult[] | null;
  graph: GraphOutcome;
  /** Null when readers keep the former release. */
  release: Release | null;
  /** Why nothing was published. */
  withheld: string | null;
}

/** What the whole job needs, read and checked before anything is opened. */
export interface PipelinePlan {
  /** Null: the raw tables stay as they are. */
  ingest: IngestPlan | null;
  graph: GraphPlan;
  toPublish: ModelNode[];
  /** Names of what is to be published and was not selected. */
  leftOut: string[];
}

export async function planPipeline(workspace: Workspace, options: RunOptions): Promise<PipelinePlan> {
  const scope = openGraph(workspace);
  const ingest = await planIngest(workspace, []);
  const graph = planGraph(workspace, scope, options);
  const toPublish = modelsToPublish(workspace, scope);
  const leftOut = toPublish.filter(({ id }) => !graph.selected.has(id)).map(({ name }) => name);
  return { ingest, graph, toPublish, leftOut };
}

/** `run pipeline`: ingest, then what `run build` does, then publish. */
export async function runPipeline(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = await planPipeline(workspace, options);
  if (options.dryRun) {
    const sources = plan.ingest?.sources ?? [];
    const prepare = (engine: Engine) => createRawTables(engine, sources);
    return dryRunOutcome(workspace, terminal, { plan: plan.graph, which: "build", prepare });
  }
  const results = await withWarehouse(
    workspace,
    "run pipeline",
    (engine, book) => pipelineSteps(workspace, { engine, book }, plan),
    { readsPostgres: plan.ingest !== null && readsPostgres(plan.ingest) },
  );
  return pipelineOutcome(workspace, terminal, results);
}

export async function pipelineSteps(
  workspace: Workspace,
  open: OpenWarehouse,
  plan: PipelinePlan,
): Promise<PipelineResults> {
  const { ctx } = workspace;
  const { engine } = open;
  const streams = plan.ingest === null ? null : await ingestStep(workspace, engine, plan.ingest);
  ctx.signal.throwIfAborted();
  if (streams !== null && streams.length > 0 && streams.every(({ status }) => status !== "ok")) {
    ctx.log.warn("models_withheld", "no stream was loaded: models, tests and release stay as they are");
    const withheld = "no stream was loaded";
    const graph = nothingRun(workspace, plan.graph, withheld);
    writePipelineArtifacts(workspace, plan, { streams, graph });
    return { streams, graph, release: null, withheld };
  }
  await collectBeforeBuild(workspace, open);
  const graph = await withRunHooks(workspace, open, {
    plan: plan.graph,
    work: async () => {
      const outcome = await nodesStep(workspace, open, { plan: plan.graph, which: "build" });
      writePipelineArtifacts(workspace, plan, { streams, graph: outcome });
      return outcome;
    },
  });
  ctx.signal.throwIfAborted();
  const withheld = whyWithheld(plan, { streams: streams ?? [], results: graph.results });
  if (withheld !== null)
    ctx.log.warn("publish_withheld", `not published: ${withheld}; readers keep the former release`);
  const release = withheld === null ? await publishStep(workspace, engine, plan.toPublish) : null;
  return { streams, graph, release, withheld };
}

function writePipelineArtifacts(
  workspace: Workspace,
  { graph: plan, leftOut }: PipelinePlan,
  { streams, graph }: Pick<PipelineResults, "streams" | "graph">,
): void {
  const loaded = (streams ?? []).every(({ status }) => status === "ok");
  const args = { pipeline: { streams_loaded: loaded, left_out: leftOut } };
  writeArtifacts(workspace, plan, { which: "build", results: graph.results, args });
}

function nothingRun({ ctx }: Workspace, { scope, selected }: GraphPlan, reason: string): GraphOutcome {
  const chosen = modelsOf(scope.graph).filter((model) => selected.has(model.id) && !isEphemeral(model));
  return graphOutcome(chosen.map((model) => skippedResult(ctx, model, reason)));
}

/** Readers get all of the published models, of one state of the data, tested: or they keep what they have. */
function whyWithheld(
  plan: PipelinePlan,
  { streams, results }: { streams: readonly StreamResult[]; results: readonly NodeResult[] },
): string | null {
  if (streams.some(({ status }) => status !== "ok")) return "a stream was not loaded";
  if (results.some(hasFailed)) return "a model or a test failed";
  return plan.leftOut.length === 0 ? null : `the selection leaves out ${plan.leftOut.join(", ")}`;
}

export function pipelineOutcome(workspace: Workspace, terminal: Terminal, results: PipelineResults): Outcome {
  const { graph, release, withheld } = results;
  const streams = results.streams ?? [];
  const { colors } = terminal;
  const isFailed = streams.some(({ status }) => status !== "ok") || graph.results.some(hasFailed);
  const published = release === null ? `not published: ${withheld}` : summarizeRelease(release);
  const loaded = results.streams === null ? [] : [summarizeStreams(streams)];
  return {
    exitCode: exitCodeFor([...streams, ...graph.results], isFailed),
    summary: [...loaded, summarizeGraph(graph), published].join("; "),
    text: [
      ...loaded.map((summary) =>
        formatSection(colors, "Records per stream", { summary, body: formatStreams(streams, colors) }),
      ),
      formatGraph(graph, colors),
      formatSection(colors, "Release", { summary: published, body: "" }),
    ].join("\n\n"),
    json: {
      streams: streams.map(streamJson),
      ...graphJson(graph),
      release: release === null ? null : releaseJson(workspace, release),
      withheld,
    },
    failures: failuresOf(graph.results),
    quality: graph.quality,
  };
}
