import type { Engine } from "../../engines/engine.ts";
import type { StreamResult } from "../../ingest/stream-result.ts";
import type { Release } from "../../runner/publish.ts";
import { hasFailed, type TestResult } from "../../runner/results.ts";
import type { SelectionOptions } from "../../runner/select.ts";
import {
  formatModels,
  formatStreams,
  formatTests,
  summarizeModels,
  summarizeRelease,
  summarizeStreams,
  summarizeTests,
} from "../answers.ts";
import { modelJson, streamJson, testJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import {
  type GraphPlan,
  type IngestPlan,
  ingestStep,
  type ModelsOutcome,
  modelsStep,
  modelsToPublish,
  planGraph,
  planIngest,
  publishStep,
  testsStep,
  writeArtifacts,
} from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";
import { releaseJson } from "./publish.ts";

export interface PipelineResults {
  streams: StreamResult[];
  models: ModelsOutcome;
  tests: TestResult[];
  /** Null when something failed: readers keep the former release. */
  release: Release | null;
}

/** `run pipeline`: ingest, models, data tests, publish. */
export async function runPipeline(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions,
): Promise<Outcome> {
  const plan = {
    ingest: await planIngest(workspace, []),
    graph: planGraph(workspace, openGraph(workspace), options),
  };
  const results = await withWarehouse(workspace, "run pipeline", (engine) =>
    pipelineSteps(workspace, engine, plan),
  );
  return pipelineOutcome(workspace, terminal, results);
}

export async function pipelineSteps(
  workspace: Workspace,
  engine: Engine,
  plan: { ingest: IngestPlan; graph: GraphPlan },
): Promise<PipelineResults> {
  const { ctx } = workspace;
  const streams = await ingestStep(workspace, engine, plan.ingest);
  ctx.signal.throwIfAborted();
  if (streams.every(({ status }) => status !== "ok")) {
    ctx.log.warn("models_withheld", "no stream was loaded: models, tests and release stay as they are");
    return { streams, models: { results: [], added: [] }, tests: [], release: null };
  }
  const models = await modelsStep(workspace, engine, { ...plan.graph, onlySelected: false });
  const broken = new Map(
    models.results.filter(({ status }) => status !== "success").map(({ node }) => [node.id, node.name]),
  );
  const tests = await testsStep(workspace, engine, { ...plan.graph, broken });
  writeArtifacts(workspace, plan.graph, { which: "build", results: [...models.results, ...tests] });
  ctx.signal.throwIfAborted();
  const isGreen =
    streams.every(({ status }) => status === "ok") && ![...models.results, ...tests].some(hasFailed);
  if (!isGreen) ctx.log.warn("publish_withheld", "not published: readers keep the former release");
  const release = isGreen
    ? await publishStep(workspace, engine, modelsToPublish(workspace, plan.graph.scope))
    : null;
  return { streams, models, tests, release };
}

export function pipelineOutcome(workspace: Workspace, terminal: Terminal, results: PipelineResults): Outcome {
  const { streams, models, tests, release } = results;
  const { colors } = terminal;
  const heading = (text: string) => colors.bold(text);
  const open = formatTests(tests, colors);
  const published =
    release === null ? "not published: readers keep the former release" : summarizeRelease(release);
  const summary = [
    summarizeStreams(streams),
    summarizeModels(models.results),
    summarizeTests(tests),
    published,
  ].join("; ");
  return {
    exitCode: exitCodeFor(release === null),
    summary,
    text: [
      `${heading("Records per stream")}: ${summarizeStreams(streams)}`,
      formatStreams(streams, colors),
      `\n${heading("Models")}: ${summarizeModels(models.results)}`,
      formatModels(models.results, colors),
      `\n${heading("Data tests")}: ${summarizeTests(tests).replace("tests: ", "")}`,
      ...(open === "" ? [] : [open]),
      `\n${heading("Release")}: ${published}`,
    ].join("\n"),
    json: {
      streams: streams.map(streamJson),
      models: models.results.map(modelJson),
      tests: tests.map(testJson),
      release: release === null ? null : releaseJson(workspace, release),
    },
  };
}
