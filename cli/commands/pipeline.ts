import type { Context } from "../../core/context.ts";
import type { Engine } from "../../engines/engine.ts";
import { createRawTables } from "../../ingest/raw/tables.ts";
import type { StreamResult } from "../../ingest/stream-result.ts";
import { skippedModel } from "../../runner/build/models.ts";
import {
  hasFailed,
  type ModelResult,
  type NodeResult,
  type SeedResult,
  type TestResult,
} from "../../runner/build/results.ts";
import type { TestOptions } from "../../runner/data-tests/data-tests.ts";
import { isEphemeral } from "../../runner/graph/ephemeral.ts";
import { type ModelNode, modelsOf } from "../../runner/graph/nodes.ts";
import type { Release } from "../../runner/publish.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import {
  formatModels,
  formatStreams,
  formatTests,
  summarizeModels,
  summarizeRelease,
  summarizeSeeds,
  summarizeStreams,
  summarizeTests,
} from "../answers.ts";
import { type DryRunOptions, dryRunOutcome } from "../dry-run.ts";
import { modelJson, streamJson, testJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import type { Colors } from "../print.ts";
import {
  chosenSeeds,
  type GraphPlan,
  type IngestPlan,
  ingestStep,
  type ModelsOutcome,
  modelsStep,
  modelsToPublish,
  planGraph,
  planIngest,
  publishStep,
  seedsStep,
  testsStep,
  withRunHooks,
  writeArtifacts,
} from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";
import { releaseJson } from "./publish.ts";

export interface PipelineResults {
  streams: StreamResult[];
  seeds: SeedResult[];
  models: ModelsOutcome;
  tests: TestResult[];
  /** Null when readers keep the former release. */
  release: Release | null;
  /** Why nothing was published. */
  withheld: string | null;
}

/** What the whole job needs, read and checked before anything is opened. */
export interface PipelinePlan {
  ingest: IngestPlan;
  graph: GraphPlan & Pick<TestOptions, "storeFailures">;
  toPublish: ModelNode[];
  isFullRefresh?: boolean;
}

export async function planPipeline(
  workspace: Workspace,
  options: SelectionOptions & Pick<TestOptions, "storeFailures">,
): Promise<PipelinePlan> {
  const { storeFailures = false, ...selection } = options;
  const scope = openGraph(workspace);
  return {
    ingest: await planIngest(workspace, []),
    graph: { ...planGraph(workspace, scope, selection), storeFailures },
    toPublish: modelsToPublish(workspace, scope),
  };
}

export type PipelineOptions = SelectionOptions &
  DryRunOptions & { fullRefresh?: boolean } & Pick<TestOptions, "storeFailures">;

/** `run pipeline`: ingest, models, data tests, publish. */
export async function runPipeline(
  workspace: Workspace,
  terminal: Terminal,
  options: PipelineOptions,
): Promise<Outcome> {
  const isFullRefresh = options.fullRefresh ?? false;
  const plan = { ...(await planPipeline(workspace, options)), isFullRefresh };
  if (options.dryRun) {
    return dryRunOutcome(workspace, terminal, {
      ...plan.graph,
      kinds: ["seed", "model", "test"],
      isFullRefresh,
      prepare: (engine) => createRawTables(engine, plan.ingest.sources),
    });
  }
  const results = await withWarehouse(workspace, "run pipeline", (engine) =>
    pipelineSteps(workspace, engine, plan),
  );
  return pipelineOutcome(workspace, terminal, results);
}

export async function pipelineSteps(
  workspace: Workspace,
  engine: Engine,
  plan: PipelinePlan,
): Promise<PipelineResults> {
  const { ctx } = workspace;
  const streams = await ingestStep(workspace, engine, plan.ingest);
  ctx.signal.throwIfAborted();
  if (streams.length > 0 && streams.every(({ status }) => status !== "ok")) {
    ctx.log.warn("models_withheld", "no stream was loaded: models, tests and release stay as they are");
    const withheld = "no stream was loaded";
    const models = skippedModels(ctx, plan.graph, withheld);
    writeArtifacts(workspace, plan.graph, { which: "build", results: models });
    return {
      streams,
      seeds: [],
      models: { results: models, added: [], seeds: [] },
      tests: [],
      release: null,
      withheld,
    };
  }
  const { seeds, models, tests } = await withRunHooks(workspace, engine, {
    hooks: plan.graph.hooks,
    work: () => buildAndTest(workspace, engine, plan),
  });
  ctx.signal.throwIfAborted();
  const withheld = whyWithheld(plan, { streams, results: [...seeds, ...models.results, ...tests] });
  if (withheld !== null)
    ctx.log.warn("publish_withheld", `not published: ${withheld}; readers keep the former release`);
  const release = withheld === null ? await publishStep(workspace, engine, plan.toPublish) : null;
  return { streams, seeds, models, tests, release, withheld };
}

/** Seeds, models and data tests of a plan, and the artifacts of it. */
export async function buildAndTest(
  workspace: Workspace,
  engine: Engine,
  plan: Pick<PipelinePlan, "graph" | "isFullRefresh">,
): Promise<Pick<PipelineResults, "seeds" | "models" | "tests">> {
  const isFullRefresh = plan.isFullRefresh ?? false;
  const chosen = await seedsStep(workspace, engine, chosenSeeds(plan.graph));
  const models = await modelsStep(workspace, engine, {
    ...plan.graph,
    onlySelected: false,
    isFullRefresh,
    seeds: chosen,
  });
  const seeds = [...chosen, ...models.seeds];
  const broken = new Map(
    [...seeds, ...models.results]
      .filter(({ status }) => status !== "success")
      .map(({ node }) => [node.id, node.name]),
  );
  const tests = await testsStep(workspace, engine, { ...plan.graph, broken });
  writeArtifacts(workspace, plan.graph, { which: "build", results: [...seeds, ...models.results, ...tests] });
  return { seeds, models, tests };
}

function skippedModels(ctx: Context, { scope, selected }: GraphPlan, reason: string): ModelResult[] {
  const chosen = modelsOf(scope.graph).filter((model) => selected.has(model.id) && !isEphemeral(model));
  return chosen.map((model) => skippedModel(ctx, model, reason));
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
  const { streams, seeds, models, tests, release, withheld } = results;
  const nodes = [...seeds, ...models.results, ...tests];
  const isFailed = streams.some(({ status }) => status !== "ok") || nodes.some(hasFailed);
  const published = release === null ? `not published: ${withheld}` : summarizeRelease(release);
  const parts = [
    summarizeStreams(streams),
    ...(seeds.length > 0 ? [summarizeSeeds(seeds)] : []),
    summarizeModels(models.results),
    summarizeTests(tests),
    published,
  ];
  return {
    exitCode: exitCodeFor([...streams, ...nodes], isFailed),
    summary: parts.join("; "),
    text: pipelineText(terminal.colors, results, published),
    json: {
      streams: streams.map(streamJson),
      seeds: seeds.map(modelJson),
      models: models.results.map(modelJson),
      tests: tests.map(testJson),
      release: release === null ? null : releaseJson(workspace, release),
      withheld,
    },
  };
}

function pipelineText(
  colors: Colors,
  { streams, seeds, models, tests }: PipelineResults,
  published: string,
): string {
  const section = (title: string, summary: string, body: string) =>
    `${colors.bold(title)}: ${summary}${body === "" ? "" : `\n${body}`}`;
  return [
    section("Records per stream", summarizeStreams(streams), formatStreams(streams, colors)),
    ...(seeds.length > 0 ? [section("Seeds", summarizeSeeds(seeds), formatModels(seeds, colors))] : []),
    section("Models", summarizeModels(models.results), formatModels(models.results, colors)),
    section("Data tests", summarizeTests(tests).replace("tests: ", ""), formatTests(tests, colors)),
    section("Release", published, ""),
  ].join("\n\n");
}
