import type { StreamResult } from "../../ingest/stream-result.ts";
import { skippedResult } from "../../runner/build/outcome.ts";
import { hasFailed, type NodeResult } from "../../runner/build/results.ts";
import { isEphemeral } from "../../runner/graph/ephemeral.ts";
import { type ModelNode, modelsOf } from "../../runner/graph/nodes.ts";
import type { Release } from "../../runner/publish.ts";
import { formatStreams, summarizeRelease, summarizeStreams } from "../answers.ts";
import { formatGraph, formatSection, graphJson, summarizeGraph } from "../graph-answer.ts";
import { streamJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import type { RunOptions } from "../run-options.ts";
import {
  type GraphOutcome,
  type GraphPlan,
  graphOutcome,
  type IngestPlan,
  ingestStep,
  modelsToPublish,
  nodesStep,
  type OpenWarehouse,
  planGraph,
  planIngest,
  publishStep,
  withRunHooks,
  writeArtifacts,
} from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";
import { releaseJson } from "./publish.ts";

export interface PipelineResults {
  streams: StreamResult[];
  graph: GraphOutcome;
  /** Null when readers keep the former release. */
  release: Release | null;
  /** Why nothing was published. */
  withheld: string | null;
}

/** What the whole job needs, read and checked before anything is opened. */
export interface PipelinePlan {
  ingest: IngestPlan;
  graph: GraphPlan;
  toPublish: ModelNode[];
}

export async function planPipeline(workspace: Workspace, options: RunOptions): Promise<PipelinePlan> {
  const scope = openGraph(workspace);
  return {
    ingest: await planIngest(workspace, []),
    graph: planGraph(workspace, scope, options),
    toPublish: modelsToPublish(workspace, scope),
  };
}

/** `run pipeline`: ingest, then what `run build` does, then publish. */
export async function runPipeline(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = await planPipeline(workspace, options);
  const results = await withWarehouse(workspace, "run pipeline", (engine, book) =>
    pipelineSteps(workspace, { engine, book }, plan),
  );
  return pipelineOutcome(workspace, terminal, results);
}

export async function pipelineSteps(
  workspace: Workspace,
  { engine, book }: OpenWarehouse,
  plan: PipelinePlan,
): Promise<PipelineResults> {
  const { ctx } = workspace;
  const streams = await ingestStep(workspace, engine, plan.ingest);
  ctx.signal.throwIfAborted();
  if (streams.length > 0 && streams.every(({ status }) => status !== "ok")) {
    ctx.log.warn("models_withheld", "no stream was loaded: models, tests and release stay as they are");
    const withheld = "no stream was loaded";
    const graph = nothingRun(workspace, plan.graph, withheld);
    writeArtifacts(workspace, plan.graph, { which: "build", results: graph.results });
    return { streams, graph, release: null, withheld };
  }
  const graph = await withRunHooks(
    workspace,
    { engine, book },
    {
      hooks: plan.graph.hooks,
      work: async () => {
        const outcome = await nodesStep(workspace, { engine, book }, { plan: plan.graph, which: "build" });
        writeArtifacts(workspace, plan.graph, { which: "build", results: outcome.results });
        return outcome;
      },
    },
  );
  ctx.signal.throwIfAborted();
  const withheld = whyWithheld(plan, { streams, results: graph.results });
  if (withheld !== null)
    ctx.log.warn("publish_withheld", `not published: ${withheld}; readers keep the former release`);
  const release = withheld === null ? await publishStep(workspace, engine, plan.toPublish) : null;
  return { streams, graph, release, withheld };
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
  const leftOut = plan.toPublish.filter((model) => !plan.graph.selected.has(model.id));
  return leftOut.length === 0
    ? null
    : `the selection leaves out ${leftOut.map(({ name }) => name).join(", ")}`;
}

export function pipelineOutcome(workspace: Workspace, terminal: Terminal, results: PipelineResults): Outcome {
  const { streams, graph, release, withheld } = results;
  const { colors } = terminal;
  const isFailed = streams.some(({ status }) => status !== "ok") || graph.results.some(hasFailed);
  const published = release === null ? `not published: ${withheld}` : summarizeRelease(release);
  const loaded = { summary: summarizeStreams(streams), body: formatStreams(streams, colors) };
  return {
    exitCode: exitCodeFor([...streams, ...graph.results], isFailed),
    summary: [loaded.summary, summarizeGraph(graph), published].join("; "),
    text: [
      formatSection(colors, "Records per stream", loaded),
      formatGraph(graph, colors),
      formatSection(colors, "Release", { summary: published, body: "" }),
    ].join("\n\n"),
    json: {
      streams: streams.map(streamJson),
      ...graphJson(graph),
      release: release === null ? null : releaseJson(workspace, release),
      withheld,
    },
  };
}
