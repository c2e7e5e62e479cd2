import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { type FormerResults, readFormerManifest, readFormerResults } from "../../artifacts/former-run.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { BatchWindow } from "../../runner/build/materializations/batch-windows.ts";
import { hasFailed } from "../../runner/build/results.ts";
import type { CompileScope } from "../../runner/graph/compile.ts";
import { testsOf } from "../../runner/graph/nodes.ts";
import { formatGraph, graphJson, summarizeGraph } from "../graph-answer.ts";
import { readsPostgres } from "../ingest-step.ts";
import { exitCodeFor, failuresOf, type Outcome } from "../outcome.ts";
import { type GraphPlan, KINDS, planGraph } from "../plan.ts";
import { plural } from "../print.ts";
import { modelsToPublish } from "../publish-step.ts";
import { type RecordedCommand, readRecordedArgs } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import { type CommonOptions, openGraph, type Workspace, withOptions } from "../workspace.ts";
import { type PipelinePlan, pipelineOutcome, pipelineSteps, planPipeline } from "./pipeline.ts";

export interface RetryOptions extends CommonOptions {
  state?: string;
}

/** Statuses of what did not come to a good end. */
const RETRIED = ["error", "fail", "skipped", "runtime error", "partial success"];

/** `run retry`: the last command again, for what failed or was not run in it. Throws RETRY_MISSING (exit 2). */
export async function runRetry(
  opened: Workspace,
  terminal: Terminal,
  options: RetryOptions,
): Promise<Outcome> {
  const folder = options.state === undefined ? opened.folders.target : resolve(opened.cwd, options.state);
  const former = readLastRun(folder);
  const command = readRecordedArgs(former.args, join(folder, "run_results.json"));
  const workspace = withOptions(opened, optionsOf(command, options));
  if (command.pipeline?.streamsLoaded === false) {
    const plan = await planPipeline(workspace, command.options);
    const ingest = plan.ingest && { ...plan.ingest, onlyFailed: true };
    return retryPipeline(workspace, terminal, { ...plan, ingest });
  }
  const open = former.results.filter(({ status }) => RETRIED.includes(status));
  if (open.length === 0) return nothingToRetry(former, command);
  const plan = planRetry(workspace, { open, command, folder });
  if (command.pipeline !== null) {
    const { leftOut } = command.pipeline;
    const toPublish = modelsToPublish(workspace, plan.scope);
    return retryPipeline(workspace, terminal, { ingest: null, graph: plan, toPublish, leftOut });
  }
  const outcome = await runPlan(workspace, plan, {
    command: "run retry",
    which: command.which,
    kinds: KINDS.build,
  });
  return {
    exitCode: exitCodeFor(outcome.results, outcome.results.some(hasFailed)),
    summary: summarizeGraph(outcome),
    text: formatGraph(outcome, terminal.colors),
    json: { retried: command.invocation, ...graphJson(outcome) },
    failures: failuresOf(outcome.results),
    quality: outcome.quality,
  };
}

/** Those of the former run, unless others are given; of the two that rule over warnings, one. */
function optionsOf({ common }: RecordedCommand, given: RetryOptions): CommonOptions {
  const { warnError, warnErrorOptions, ...others } = common;
  const isRuled = given.warnError === true || given.warnErrorOptions !== undefined;
  return { ...(isRuled ? others : common), ...given };
}

function readLastRun(folder: string): FormerResults {
  const file = join(folder, "run_results.json");
  if (existsSync(file)) return readFormerResults(folder);
  throw new ProjectError("RETRY_MISSING", {
    message: "there is no run to retry",
    where: file,
    hint: "run something first: run build; or give --state a folder with the artifacts of a run",
    exitCode: EXIT.usage,
  });
}

function nothingToRetry({ results }: FormerResults, { invocation }: RecordedCommand): Outcome {
  const summary = `nothing to retry: ${plural(results.length, "node")} of "${invocation}", none failed`;
  const json = { retried: invocation, unit_tests: [], seeds: [], snapshots: [], models: [], tests: [] };
  return { exitCode: EXIT.ok, summary, text: summary, json };
}

/** The former plan, narrowed to what is open; of microbatch models, to the batches that failed. */
function planRetry(
  workspace: Workspace,
  { open, command, folder }: { open: FormerResults["results"]; command: RecordedCommand; folder: string },
): GraphPlan {
  const scope = openGraph(workspace);
  const { options } = command;
  const ids = open.map(({ unique_id }) => unique_id);
  const gone = ids.filter((id) => !scope.graph.nodes.has(id));
  const inTheirPlace = changedTests(scope, { gone, folder });
  const selected = new Set([...ids.filter((id) => scope.graph.nodes.has(id)), ...inTheirPlace]);
  if (gone.length > 0) tellGone(workspace, gone, inTheirPlace);
  const { eventTimeStart, eventTimeEnd, asOf, empty = false } = options;
  const plan = planGraph(workspace, scope, {
    empty,
    ...(asOf === undefined ? {} : { asOf }),
    ...(eventTimeStart === undefined ? {} : { eventTimeStart }),
    ...(eventTimeEnd === undefined ? {} : { eventTimeEnd }),
  });
  return { ...plan, options, selected, batches: failedBatches(open) };
}

/** A test whose arguments or name were corrected is another one: those that are new where a test is gone. */
function changedTests(
  { graph }: CompileScope,
  { gone, folder }: { gone: readonly string[]; folder: string },
): string[] {
  if (!gone.some((id) => id.startsWith("test.")) || !existsSync(join(folder, "manifest.json"))) return [];
  const { nodes } = readFormerManifest(folder);
  const read = new Set(gone.flatMap((id) => nodes.get(id)?.depends_on?.nodes ?? []));
  return testsOf(graph)
    .filter(({ id, dependsOn }) => !nodes.has(id) && dependsOn.some((parent) => read.has(parent)))
    .map(({ id }) => id);
}

function tellGone({ ctx }: Workspace, gone: readonly string[], inTheirPlace: readonly string[]): void {
  const instead = inTheirPlace.length === 0 ? "" : `; run instead: ${inTheirPlace.join(", ")}`;
  const message = `no longer in the project, left out: ${gone.join(", ")}${instead}`;
  ctx.log.warn("retry_gone", message, { ids: gone, instead: inTheirPlace });
}

function failedBatches(open: FormerResults["results"]): Map<string, BatchWindow[]> {
  const batches = new Map<string, BatchWindow[]>();
  for (const { unique_id, batch_results } of open) {
    const failed = batch_results?.failed ?? [];
    if (failed.length === 0) continue;
    batches.set(
      unique_id,
      failed.map(([start, end]) => ({ start: new Date(start), end: new Date(end) })),
    );
  }
  return batches;
}

async function retryPipeline(workspace: Workspace, terminal: Terminal, plan: PipelinePlan): Promise<Outcome> {
  const results = await withWarehouse(
    workspace,
    "run retry",
    (engine, book) => pipelineSteps(workspace, { engine, book }, plan),
    { readsPostgres: plan.ingest !== null && readsPostgres(plan.ingest) },
  );
  return pipelineOutcome(workspace, terminal, results);
}
