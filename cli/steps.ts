import { z } from "zod";
import { faultPoint } from "#faults";
import { writeManifest } from "../artifacts/manifest.ts";
import { writeRunResults } from "../artifacts/run-results.ts";
import { parseAsOf } from "../core/as-of.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { SourceDefinition } from "../core/sillon.ts";
import { validateYaml } from "../core/yaml.ts";
import { openDuckdb } from "../engines/duckdb.ts";
import type { Engine } from "../engines/engine.ts";
import { checkIngest, ingest } from "../ingest/ingest.ts";
import type { LoadBounds } from "../ingest/load-plan.ts";
import { loadSources } from "../ingest/load-sources.ts";
import { type IngestSettings, ingestSettings } from "../ingest/settings.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import { type CompiledHook, runHooks } from "../runner/build/hooks.ts";
import {
  type BatchWindow,
  type EventTimeRange,
  parseEventTime,
} from "../runner/build/materializations/batch-windows.ts";
import { nodesToRun } from "../runner/build/parents.ts";
import {
  isModelResult,
  isSeedResult,
  isSnapshotResult,
  isTestResult,
  isUnitTestResult,
  type ModelResult,
  type NodeResult,
  type SeedResult,
  type SnapshotResult,
  type TestResult,
  type UnitTestResult,
} from "../runner/build/results.ts";
import { runNodes } from "../runner/build/run-nodes.ts";
import { createSessionPool } from "../runner/build/session-pool.ts";
import { snapshotSources as sourcesOfSnapshots } from "../runner/build/snapshots.ts";
import {
  type CompiledNode,
  type CompileScope,
  compileNodes,
  compileRunHooks,
  writeCompiled,
} from "../runner/graph/compile.ts";
import { isEphemeral } from "../runner/graph/ephemeral.ts";
import {
  type ModelNode,
  modelsOf,
  type ReferableNode,
  snapshotsOf,
  testsOf,
  unitTestsOf,
} from "../runner/graph/nodes.ts";
import { publishRelease, type Release } from "../runner/publish.ts";
import { selectorEntries } from "../runner/select/selectors-file.ts";
import { type ManifestOptions, manifestContent } from "../runner/to-artifacts/manifest.ts";
import { runResultEntries } from "../runner/to-artifacts/results.ts";
import { runUnitTests } from "../runner/unit-tests/unit-tests.ts";
import { noteForeign } from "../state/builds.ts";
import { checkAsOf } from "./as-of.ts";
import { reuseOf } from "./reuse-plan.ts";
import { type RunOptions, recordedArgs } from "./run-options.ts";
import { chooseNodes, type GraphSelection } from "./selection.ts";
import { type OpenWarehouse, ownFiles, type Workspace, withWarehouse } from "./workspace.ts";

/** What `run ingest` needs, read and checked before anything is opened. */
export interface IngestPlan {
  sources: SourceDefinition[];
  settings: IngestSettings;
  streams: string[];
  bounds: LoadBounds;
}

export async function planIngest(
  workspace: Workspace,
  streams: string[],
  bounds: LoadBounds = {},
): Promise<IngestPlan> {
  const { ctx } = workspace;
  const settings = readIngestSettings(workspace);
  const plan = { sources: await loadSources(ctx), settings, streams, bounds };
  checkIngest(ctx, plan);
  return plan;
}

/** The `ingest:` map of project.yml. Throws what is wrong with it (exit 2). */
export function readIngestSettings({ project }: Workspace): IngestSettings {
  return validateYaml(project.file, z.looseObject({ ingest: ingestSettings.prefault({}) })).ingest;
}

export async function ingestStep(
  workspace: Workspace,
  engine: Engine,
  plan: IngestPlan,
): Promise<StreamResult[]> {
  return ingest(workspace.ctx, engine, plan);
}

/** What of the project's graph a command runs, compiled. */
export interface GraphPlan {
  scope: CompileScope;
  options: RunOptions;
  selected: ReadonlySet<string>;
  compiled: ReadonlyMap<string, CompiledNode>;
  /** The queries of ephemeral models that snapshots are taken of, by the snapshots' ids. */
  snapshotSources: ReadonlyMap<string, string>;
  eventTime: EventTimeRange | undefined;
  /** The batches of single microbatch models, by id: those that failed before. */
  batches?: ReadonlyMap<string, readonly BatchWindow[]>;
  /** The statements of project.yml around the command. */
  hooks: RunHooks;
}

/** The batches that `--event-time-start` and `--event-time-end` ask for. Throws EVENT_TIME (exit 2). */
function eventTimeRange(options: RunOptions): EventTimeRange | undefined {
  const { eventTimeStart: from, eventTimeEnd: till } = options;
  if (from === undefined && till === undefined) return undefined;
  const [start, end] = [parseEventTime(from ?? ""), parseEventTime(till ?? "")];
  if (start !== undefined && end !== undefined && start < end) return { start, end };
  throw new ProjectError("EVENT_TIME", {
    message: "the range of event time is not one",
    where: [
      ...(from === undefined ? [] : [`--event-time-start ${from}`]),
      ...(till === undefined ? [] : [`--event-time-end ${till}`]),
    ].join(" "),
    why: ["it takes a start and a later end, as dates or times in UTC"],
    hint: "--event-time-start 2026-01-01 --event-time-end 2026-02-01",
    exitCode: EXIT.usage,
  });
}

interface RunHooks {
  start: CompiledHook[];
  end: CompiledHook[];
}

/** Runs `work` between the on-run-start and the on-run-end statements. Throws HOOK_SQL. */
export async function withRunHooks<T>(
  { ctx }: Workspace,
  { engine, book }: OpenWarehouse,
  around: { hooks: RunHooks; work: () => Promise<T> },
): Promise<T> {
  const { start, end } = around.hooks;
  if (start.length + end.length === 0) return around.work();
  const session = await engine.openSession();
  noteForeign(book);
  try {
    await runHooks(ctx, session, { hooks: start, owner: "on-run-start" });
    const result = await around.work();
    noteForeign(book);
    if (!ctx.signal.aborted) await runHooks(ctx, session, { hooks: end, owner: "on-run-end" });
    return result;
  } finally {
    session.close();
  }
}

/** Renders every model and test, so that no mistake of the project waits for its turn. */
export function planGraph(
  workspace: Workspace,
  project: CompileScope,
  options: GraphSelection & RunOptions,
): GraphPlan {
  const { ctx } = workspace;
  const { asOf, empty = false } = options;
  const scope = { ...project, isEmpty: empty, ...(asOf === undefined ? {} : { asOf: parseAsOf(asOf) }) };
  const eventTime = eventTimeRange(options);
  const selected = chooseNodes(workspace, scope, options);
  const compiled = compileNodes(ctx, scope, [...modelsOf(scope.graph), ...testsOf(scope.graph)]);
  const snapshotSources = sourcesOfSnapshots(ctx, scope, snapshotsOf(scope.graph));
  const hooks = compileRunHooks(ctx, scope);
  return { scope, options, selected, compiled, snapshotSources, eventTime, hooks };
}

/** dbt's names of what a command runs, and the kinds of nodes that belong to them. */
export const KINDS = {
  run: ["model"],
  seed: ["seed"],
  snapshot: ["snapshot"],
  test: ["unit_test", "test"],
  build: ["unit_test", "seed", "snapshot", "model", "test"],
} as const;
export type Which = keyof typeof KINDS;

export interface RunScope {
  which: Which;
  /** Those of `which` when absent. */
  kinds?: readonly NodeResult["node"]["kind"][];
}

/** What became of the nodes that a command ran, all together and by kind. */
export interface GraphOutcome {
  results: NodeResult[];
  seeds: SeedResult[];
  snapshots: SnapshotResult[];
  models: ModelResult[];
  tests: TestResult[];
  unitTests: UnitTestResult[];
  /** Ancestors outside the selection that had to be made first. */
  added: ReferableNode[];
}

/** Results by kind. */
export function graphOutcome(results: NodeResult[], added: readonly ReferableNode[] = []): GraphOutcome {
  return {
    results,
    seeds: results.filter(isSeedResult),
    snapshots: results.filter(isSnapshotResult),
    models: results.filter(isModelResult),
    tests: results.filter(isTestResult),
    unitTests: results.filter(isUnitTestResult),
    added: [...added],
  };
}

/** Runs what the plan chose of these kinds, unit tests first, and the parents of models that were never made. */
export async function nodesStep(
  workspace: Workspace,
  { engine, book }: OpenWarehouse,
  { plan, which, kinds = KINDS[which] }: RunScope & { plan: GraphPlan },
): Promise<GraphOutcome> {
  const { ctx, target } = workspace;
  const { options, compiled, snapshotSources, eventTime, batches } = plan;
  const { graph } = plan.scope;
  const { nodes, added } = await nodesToRun(engine, graph, {
    selected: plan.selected,
    kinds,
    onlySelected: keepsToSelected(plan, which),
  });
  tellAdded(workspace, added);
  const unitTests = kinds.includes("unit_test") ? await unitTestsStep(workspace, plan) : [];
  const results = await runNodes(ctx, createSessionPool(engine, target.duckdb.threads), {
    graph,
    nodes,
    unitTests,
    compiled,
    snapshotSources,
    isFullRefresh: options.fullRefresh ?? false,
    eventTime,
    ...(batches === undefined ? {} : { batches }),
    storeFailures: options.storeFailures ?? false,
    failFast: options.failFast ?? false,
    reuse: which === "test" ? undefined : await reuseOf(workspace, { engine, book }, { plan, nodes }),
    warnError: workspace.warnings.isError("test_warned"),
    ...(options.empty ? { empty: emptyNodes(nodes, added) } : {}),
  });
  if (results.some((result) => isTestResult(result) && result.isStored)) noteForeign(book);
  return graphOutcome([...unitTests, ...results], added);
}

/** Whether parents that were never made are left out. */
export function keepsToSelected({ options }: GraphPlan, which: Which): boolean {
  return options.onlySelected === true || which === "snapshot";
}

/** Seeds that models miss are loaded whole: nobody would load them later. */
function emptyNodes(nodes: readonly { id: string }[], added: readonly ReferableNode[]): Set<string> {
  const whole = new Set(added.filter(({ kind }) => kind === "seed").map(({ id }) => id));
  return new Set(nodes.map(({ id }) => id).filter((id) => !whole.has(id)));
}

const ADDED = {
  seed: { event: "seeds_added", doing: "loading", never: "loaded" },
  snapshot: { event: "snapshots_added", doing: "taking", never: "taken" },
  model: { event: "parents_added", doing: "building", never: "built" },
} as const;

function tellAdded({ ctx, target }: Workspace, added: readonly ReferableNode[]): void {
  for (const kind of ["seed", "snapshot", "model"] as const) {
    const names = added.filter((node) => node.kind === kind).map(({ name }) => name);
    if (names.length === 0) continue;
    const { event, doing, never } = ADDED[kind];
    names.sort();
    ctx.log.info(event, `${doing} ${names.join(", ")} first: never ${never} in target ${target.name}`, {
      names,
    });
  }
}

/** Unit tests alone leave the warehouse as it is, even when there is none. */
function isUnitTestsAlone({ scope: { graph }, selected }: GraphPlan, { which }: RunScope): boolean {
  const isSelected = ({ id }: { id: string }) => selected.has(id);
  return which === "test" && unitTestsOf(graph).some(isSelected) && !testsOf(graph).some(isSelected);
}

/** Holds the warehouse, runs the plan between the statements around a run, and writes the artifacts. */
export async function runPlan(
  workspace: Workspace,
  plan: GraphPlan,
  { command, ...run }: RunScope & { command: string },
): Promise<GraphOutcome> {
  workspace.warnings.throwIfAny();
  if (isUnitTestsAlone(plan, run)) {
    const outcome = graphOutcome(await unitTestsStep(workspace, plan));
    writeArtifacts(workspace, plan, { which: run.which, results: outcome.results });
    return outcome;
  }
  return withWarehouse(workspace, command, (engine, book) => {
    const open = { engine, book };
    return withRunHooks(workspace, open, {
      hooks: plan.hooks,
      work: async () => {
        if (plan.scope.asOf !== undefined) await checkAsOf(engine, plan.scope.asOf);
        const outcome = await nodesStep(workspace, open, { plan, ...run });
        writeArtifacts(workspace, plan, { which: run.which, results: outcome.results });
        return outcome;
      },
    });
  });
}

/** The unit tests of the selection. The warehouse is neither opened nor locked: they have a database in memory. */
export async function unitTestsStep(
  workspace: Workspace,
  { scope, selected, options }: GraphPlan,
): Promise<UnitTestResult[]> {
  const { ctx, target } = workspace;
  const tests = unitTestsOf(scope.graph).filter(({ id }) => selected.has(id));
  if (tests.length === 0) return [];
  const { settings } = target.duckdb;
  // Parallel work on a few rows costs more than it gains.
  const memory = { ...target.duckdb, path: ":memory:", settings: { ...settings, threads: "1" } };
  const engine = await openDuckdb(ctx, { ...memory, attach: [] }, ownFiles(workspace));
  try {
    const { failFast = false } = options;
    // Their rows are given: `--empty` is not for them.
    return await runUnitTests(ctx, engine, { scope: { ...scope, isEmpty: false }, tests, failFast });
  } finally {
    engine.close();
  }
}

/** The models that `publish.select` of project.yml shows to readers. */
export function modelsToPublish(workspace: Workspace, scope: CompileScope): ModelNode[] {
  const selected = chooseNodes(workspace, scope, { select: [workspace.project.publish.select] });
  return modelsOf(scope.graph).filter((model) => selected.has(model.id) && !isEphemeral(model));
}

export async function publishStep(
  workspace: Workspace,
  engine: Engine,
  models: readonly ModelNode[],
): Promise<Release> {
  const { ctx, folders, project } = workspace;
  return publishRelease(ctx, engine, { folder: folders.published, models, keep: project.publish.keep });
}

/** What a manifest holds beside the graph. */
export function manifestOptions({ ctx }: Workspace): ManifestOptions {
  return { readAt: ctx.startedAt, selectors: selectorEntries(ctx) };
}

/** Writes the SQL of what is selected into target/compiled/, and manifest.json. */
export function writeCompilation(
  workspace: Workspace,
  { scope, selected, compiled }: GraphPlan,
): Map<string, CompiledNode> {
  const { ctx, folders, project } = workspace;
  const sql = new Map([...compiled].filter(([id]) => selected.has(id)));
  const nodes = [...modelsOf(scope.graph), ...testsOf(scope.graph)].filter(({ id }) => sql.has(id));
  writeCompiled(folders.target, project, { nodes, sql });
  writeManifest(ctx, folders.target, manifestContent(scope, sql, manifestOptions(workspace)));
  return sql;
}

/** Writes target/: compiled SQL, manifest.json and run_results.json of this command. */
export function writeArtifacts(
  workspace: Workspace,
  plan: GraphPlan,
  run: { which: Which; results: readonly NodeResult[]; args?: Record<string, unknown> },
): void {
  const { ctx, folders, project } = workspace;
  void faultPoint("artifacts.write");
  const nodes = run.results.flatMap(({ node }) =>
    node.kind === "model" || node.kind === "test" ? [node] : [],
  );
  const compiled = new Map(
    run.results.flatMap((result) => {
      const node = ("ran" in result ? result.ran : undefined) ?? plan.compiled.get(result.node.id);
      return node === undefined ? [] : [[result.node.id, node] as const];
    }),
  );
  writeCompiled(folders.target, project, { nodes, sql: compiled });
  writeManifest(ctx, folders.target, manifestContent(plan.scope, compiled, manifestOptions(workspace)));
  writeRunResults(ctx, folders.target, {
    results: runResultEntries(plan.scope, run.results, compiled),
    elapsedSeconds: (ctx.clock.now().getTime() - ctx.startedAt.getTime()) / 1000,
    args: { which: run.which, ...recordedArgs(workspace, plan.options), ...run.args },
  });
}
