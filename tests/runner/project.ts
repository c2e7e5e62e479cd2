import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { type Context, createContext, type Environment } from "../../core/context.ts";
import { type ProjectError, projectErrorsOf } from "../../core/errors.ts";
import type { LogEntry } from "../../core/log.ts";
import { openDuckdb } from "../../engines/duckdb.ts";
import { duckdbDialect } from "../../engines/duckdb-sql.ts";
import type { Engine, Session } from "../../engines/engine.ts";
import type { EventTimeRange } from "../../runner/build/materializations/batch-windows.ts";
import { nodesToRun } from "../../runner/build/parents.ts";
import {
  isModelResult,
  isTestResult,
  type ModelResult,
  type NodeResult,
  type RunnableNode,
  type TestResult,
} from "../../runner/build/results.ts";
import { runNodes } from "../../runner/build/run-nodes.ts";
import { createSessionPool } from "../../runner/build/session-pool.ts";
import type { TestOptions } from "../../runner/data-tests/data-tests.ts";
import { type CompileScope, compileNodes } from "../../runner/graph/compile.ts";
import { loadGraph } from "../../runner/graph/load.ts";
import { type ModelNode, modelsOf, type TestNode, testsOf } from "../../runner/graph/nodes.ts";
import { loadProject } from "../../runner/project/project.ts";
import { type SelectionOptions, selectNodes } from "../../runner/select/select.ts";
import type { Literal } from "../../runner/templates/template.ts";

/** A project in a temporary folder, gone when the test is over. */
export interface TestProject {
  ctx: Context;
  log: LogEntry[];
  /** Replaces a file. */
  write(file: string, content: string): void;
  /** Reads and checks it. Throws what the runner throws. */
  scope(): CompileScope;
  model(name: string): ModelNode;
  test(name: string): TestNode;
  /** The SQL of a model. */
  sql(model: string): string;
}

export interface ProjectOptions {
  env?: Environment;
  vars?: Record<string, Literal>;
  signal?: AbortSignal;
}

const DEFAULTS = { "project.yml": "name: shop\nschema_names: exact\n" };

/** Writes the files; a project.yml is added when none is given. */
export function createProject(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: ProjectOptions = {},
): TestProject {
  const projectDir = mkdtempSync(join(tmpdir(), "sillon-runner-"));
  onTestFinished(() => rmSync(projectDir, { recursive: true, force: true }));
  for (const [name, content] of Object.entries({ ...DEFAULTS, ...files })) {
    mkdirSync(dirname(join(projectDir, name)), { recursive: true });
    writeFileSync(join(projectDir, name), content);
  }
  const log: LogEntry[] = [];
  const ctx = createContext({
    projectDir,
    env: options.env ?? {},
    sink: (entry) => log.push(entry),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const scope = () => {
    const project = loadProject(ctx, options.vars === undefined ? {} : { vars: options.vars });
    const graph = loadGraph(ctx, project, { dialect: duckdbDialect, targetSchema: "main" });
    return { project, graph, dialect: duckdbDialect, target: TARGET };
  };
  const find = <T extends { name: string }>(nodes: readonly T[], name: string): T => {
    const node = nodes.find((candidate) => candidate.name === name);
    if (node === undefined) throw new Error(`no ${name} among ${nodes.map((one) => one.name).join(", ")}`);
    return node;
  };
  return {
    ctx,
    log,
    write: (file, content) => writeFileSync(join(projectDir, file), content),
    scope,
    model: (name) => find(modelsOf(scope().graph), name),
    test: (name) => find(testsOf(scope().graph), name),
    sql: (name) => {
      const loaded = scope();
      const node = find(modelsOf(loaded.graph), name);
      return compileNodes(ctx, loaded, [node]).get(node.id)?.sql ?? "";
    },
  };
}

const TARGET = { name: "dev", profileName: "shop", schema: "main", threads: 2, database: "warehouse" };

/** The mistakes that `work` throws; none when it does not. */
export function mistakesOf(work: () => unknown): ProjectError[] {
  try {
    work();
    return [];
  } catch (error) {
    const mistakes = projectErrorsOf(error);
    if (mistakes.length === 0) throw error;
    return mistakes;
  }
}

/** The mistakes of a project that is loaded and rendered as a command does it. */
export function mistakesIn(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: ProjectOptions = {},
): ProjectError[] {
  return mistakesOf(() => {
    const project = createProject(files, options);
    const scope = project.scope();
    compileNodes(project.ctx, scope, [...modelsOf(scope.graph), ...testsOf(scope.graph)]);
  });
}

export type RunSelection = SelectionOptions &
  TestOptions & {
    kinds?: readonly RunnableNode["kind"][];
    onlySelected?: boolean;
    isFullRefresh?: boolean;
    eventTime?: EventTimeRange;
  };

export interface Warehouse {
  engine: Engine;
  session: Session;
  /** Reads the project anew and runs what is chosen, and parents that were never built. */
  run(selection?: RunSelection): Promise<NodeResult[]>;
  /** The same for models. */
  build(selection?: RunSelection): Promise<ModelResult[]>;
  /** The same for tests. */
  check(options?: TestOptions): Promise<TestResult[]>;
}

/** The project's warehouse, open until the test is over. */
export async function openWarehouse({ ctx, scope: load }: TestProject): Promise<Warehouse> {
  const engine = await openDuckdb(ctx, {
    type: "duckdb",
    path: "data/warehouse.duckdb",
    schema: "main",
    threads: 2,
    settings: {},
  });
  onTestFinished(() => engine.close());
  const compile = () => {
    const scope = load();
    const compiled = compileNodes(ctx, scope, [...modelsOf(scope.graph), ...testsOf(scope.graph)]);
    return { scope, compiled };
  };
  compile();
  const pool = createSessionPool(engine, 2);
  const run = async (options: RunSelection = {}) => {
    const { scope, compiled } = compile();
    const { graph } = scope;
    const { kinds = ["seed", "snapshot", "model", "test"], onlySelected = false, ...work } = options;
    const { nodes } = await nodesToRun(engine, graph, {
      selected: selectNodes(graph, options),
      kinds,
      onlySelected,
    });
    return runNodes(ctx, pool, { ...work, graph, nodes, compiled });
  };
  return {
    engine,
    session: await engine.openSession(),
    run,
    build: async (options) => (await run({ ...options, kinds: ["model"] })).filter(isModelResult),
    check: async (options) => (await run({ ...options, kinds: ["test"] })).filter(isTestResult),
  };
}
