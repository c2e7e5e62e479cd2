import { z } from "zod";
import { writeManifest } from "../artifacts/manifest.ts";
import { writeRunResults } from "../artifacts/run-results.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { SourceDefinition } from "../core/sillon.ts";
import { validateYaml } from "../core/yaml.ts";
import type { Engine } from "../engines/engine.ts";
import { checkIngest, ingest } from "../ingest/ingest.ts";
import { loadSources } from "../ingest/load-sources.ts";
import { type IngestSettings, ingestSettings } from "../ingest/settings.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import { type CompiledHook, runHooks } from "../runner/build/hooks.ts";
import { type EventTimeRange, parseEventTime } from "../runner/build/materializations/batch-windows.ts";
import { buildModels, modelsToBuild } from "../runner/build/models.ts";
import type { ModelResult, NodeResult, SeedResult, TestResult } from "../runner/build/results.ts";
import { loadSeedTables, missingSeeds } from "../runner/build/seeds.ts";
import { createSessionPool } from "../runner/build/session-pool.ts";
import { runDataTests, type TestOptions } from "../runner/data-tests/data-tests.ts";
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
  type SeedNode,
  seedsOf,
  type TestNode,
  testsOf,
} from "../runner/graph/nodes.ts";
import { publishRelease, type Release } from "../runner/publish.ts";
import { manifestContent, runResultEntries } from "../runner/to-artifacts.ts";
import { chooseNodes, type GraphSelection } from "./selection.ts";
import type { Workspace } from "./workspace.ts";

/** What `run ingest` needs, read and checked before anything is opened. */
export interface IngestPlan {
  sources: SourceDefinition[];
  settings: IngestSettings;
  streams: string[];
}

export async function planIngest({ ctx, project }: Workspace, streams: string[]): Promise<IngestPlan> {
  const { ingest: settings } = validateYaml(
    project.file,
    z.looseObject({ ingest: ingestSettings.prefault({}) }),
  );
  const plan = { sources: await loadSources(ctx), settings, streams };
  checkIngest(ctx, plan);
  return plan;
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
  selected: ReadonlySet<string>;
  compiled: ReadonlyMap<string, CompiledNode>;
  /** The statements of project.yml around the command. */
  hooks: RunHooks;
}

export interface BatchOptions {
  eventTimeStart?: string;
  eventTimeEnd?: string;
}

/** The batches that `--event-time-start` and `--event-time-end` ask for. Throws EVENT_TIME (exit 2). */
export function eventTimeRange(options: BatchOptions): EventTimeRange | undefined {
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
  engine: Engine,
  around: { hooks: RunHooks; work: () => Promise<T> },
): Promise<T> {
  const { start, end } = around.hooks;
  if (start.length + end.length === 0) return around.work();
  const session = await engine.openSession();
  try {
    await runHooks(ctx, session, { hooks: start, owner: "on-run-start" });
    const result = await around.work();
    if (!ctx.signal.aborted) await runHooks(ctx, session, { hooks: end, owner: "on-run-end" });
    return result;
  } finally {
    session.close();
  }
}

/** Renders every model and test, so that no mistake of the project waits for its turn. */
export function planGraph(workspace: Workspace, scope: CompileScope, selection: GraphSelection): GraphPlan {
  const selected = chooseNodes(workspace, scope, selection);
  const compiled = compileNodes(workspace.ctx, scope, [...modelsOf(scope.graph), ...testsOf(scope.graph)]);
  return { scope, selected, compiled, hooks: compileRunHooks(workspace.ctx, scope) };
}

export interface ModelsOutcome {
  results: ModelResult[];
  /** Ancestors outside the selection that had to be built first. */
  added: ModelNode[];
  /** Seeds that they read and that were never loaded: loaded first. */
  seeds: SeedResult[];
}

export async function modelsStep(
  workspace: Workspace,
  engine: Engine,
  plan: GraphPlan & {
    onlySelected: boolean;
    isFullRefresh?: boolean;
    seeds?: readonly SeedResult[];
    eventTime?: EventTimeRange | undefined;
  },
): Promise<ModelsOutcome> {
  const { ctx, target } = workspace;
  const { graph } = plan.scope;
  const { models, added } = await modelsToBuild(engine, graph, plan);
  if (added.length > 0) {
    const names = added.map((model) => model.name).sort();
    ctx.log.info(
      "parents_added",
      `building ${names.join(", ")} first: never built in target ${target.name}`,
      { names },
    );
  }
  const pool = createSessionPool(engine, target.duckdb.threads);
  const given = new Set(plan.seeds?.map(({ node }) => node.id));
  const missing = plan.onlySelected ? [] : await missingSeeds(engine, graph, models);
  const seeds = await seedsFirst(
    workspace,
    engine,
    missing.filter(({ id }) => !given.has(id)),
  );
  const broken = new Map(
    [...(plan.seeds ?? []), ...seeds]
      .filter(({ status }) => status !== "success")
      .map(({ node }) => [node.id, node.name]),
  );
  const { compiled, isFullRefresh = false, eventTime } = plan;
  const work = { graph, models, compiled, broken, isFullRefresh, eventTime };
  const results = await buildModels(ctx, pool, work);
  return { results, added, seeds };
}

async function seedsFirst(
  workspace: Workspace,
  engine: Engine,
  seeds: readonly SeedNode[],
): Promise<SeedResult[]> {
  if (seeds.length === 0) return [];
  const names = seeds.map((seed) => seed.name).sort();
  workspace.ctx.log.info(
    "seeds_added",
    `loading ${names.join(", ")} first: never loaded in target ${workspace.target.name}`,
    { names },
  );
  return seedsStep(workspace, engine, seeds);
}

/** The seeds of a selection. */
export function chosenSeeds({ scope, selected }: GraphPlan): SeedNode[] {
  return seedsOf(scope.graph).filter((seed) => selected.has(seed.id));
}

/** Loads seeds; those that models miss are loaded whole, also with `--empty`. */
export async function seedsStep(
  workspace: Workspace,
  engine: Engine,
  seeds: readonly SeedNode[],
  { empty: isEmpty = false }: { empty?: boolean } = {},
): Promise<SeedResult[]> {
  const pool = createSessionPool(engine, workspace.target.duckdb.threads);
  return loadSeedTables(workspace.ctx, pool, seeds, { isEmpty });
}

export async function testsStep(
  workspace: Workspace,
  engine: Engine,
  plan: GraphPlan & TestOptions & { tests?: readonly TestNode[]; broken?: ReadonlyMap<string, string> },
): Promise<TestResult[]> {
  const tests = plan.tests ?? testsOf(plan.scope.graph).filter((test) => plan.selected.has(test.id));
  const pool = createSessionPool(engine, workspace.target.duckdb.threads);
  return runDataTests(workspace.ctx, pool, {
    graph: plan.scope.graph,
    tests,
    compiled: plan.compiled,
    storeFailures: plan.storeFailures ?? false,
    failFast: plan.failFast ?? false,
    warnError: workspace.warnings.isError("test_warned"),
    ...(plan.broken === undefined ? {} : { broken: plan.broken }),
  });
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

/** Writes the SQL of what is selected into target/compiled/, and manifest.json. */
export function writeCompilation(
  { ctx, folders, project }: Workspace,
  { scope, selected, compiled }: GraphPlan,
): Map<string, CompiledNode> {
  const sql = new Map([...compiled].filter(([id]) => selected.has(id)));
  const nodes = [...modelsOf(scope.graph), ...testsOf(scope.graph)].filter(({ id }) => sql.has(id));
  writeCompiled(folders.target, project, { nodes, sql });
  writeManifest(ctx, folders.target, manifestContent(scope, sql));
  return sql;
}

/** Writes target/: compiled SQL, manifest.json and run_results.json of this command. */
export function writeArtifacts(
  workspace: Workspace,
  plan: GraphPlan,
  run: { which: "run" | "seed" | "snapshot" | "test" | "build"; results: readonly NodeResult[] },
): void {
  const { ctx, folders, project } = workspace;
  const nodes = run.results.flatMap(({ node }) =>
    node.kind === "seed" || node.kind === "snapshot" ? [] : [node],
  );
  const compiled = new Map(
    run.results.flatMap((result) => {
      const node = ("ran" in result ? result.ran : undefined) ?? plan.compiled.get(result.node.id);
      return node === undefined ? [] : [[result.node.id, node] as const];
    }),
  );
  writeCompiled(folders.target, project, { nodes, sql: compiled });
  writeManifest(ctx, folders.target, manifestContent(plan.scope, compiled));
  writeRunResults(ctx, folders.target, {
    results: runResultEntries(plan.scope, run.results, compiled),
    elapsedSeconds: (ctx.clock.now().getTime() - ctx.startedAt.getTime()) / 1000,
    args: {
      which: run.which,
      invocation_command: `run ${workspace.invocation}`,
      target: workspace.target.name,
      threads: workspace.target.duckdb.threads,
    },
  });
}
