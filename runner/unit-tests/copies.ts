import type { Context } from "../../core/context.ts";
import type { Dialect, Relation } from "../../engines/engine.ts";
import { parseEventTime } from "../build/materializations/batch-windows.ts";
import type { CompileScope } from "../graph/compile.ts";
import type { Graph, ModelNode, RelationNode, SnapshotNode, UnitTestNode } from "../graph/nodes.ts";
import type { Macro, Macros } from "../templates/macro.ts";
import { macroName } from "./unit-test-nodes.ts";

/** The part of the project that a unit test needs, in a place of its own and with its overrides. */
export interface TestBench {
  ctx: Context;
  scope: CompileScope;
  subject: ModelNode | SnapshotNode;
  /** Where an input's rows lie, by its id. */
  relationOf(id: string): Relation;
  /** Every schema that these lie in. */
  schemas: string[];
  /** What `is_incremental()` says, where the test decides it. */
  isIncremental: boolean | undefined;
}

/** Copies of the tested node and of its inputs, as tables of schemas whose names begin with `prefix`. */
export function createBench(
  ctx: Context,
  scope: CompileScope,
  { test, prefix }: { test: UnitTestNode; prefix: string },
): TestBench {
  const ids = [test.subject, ...test.given.filter(({ isThis }) => !isThis).map(({ id }) => id)];
  const places = new Map<string, Relation>();
  const taken = new Set<string>();
  const nodes = ids.map((id): RelationNode => {
    const node = relationNode(scope.graph, id);
    const place = freePlace(node.relation.name, { prefix, taken });
    places.set(id, place);
    return copyOf(node, place);
  });
  const subject = nodes[0] as ModelNode | SnapshotNode; // unit tests have no other subjects
  const tested = subject.kind === "model" ? testedModel(subject, test) : subject;
  const { macros, helpers } = overridden(scope, test);
  const graph: Graph = {
    ...scope.graph,
    nodes: new Map([tested, ...nodes.slice(1)].map((node) => [node.id, node])),
    macros,
  };
  const { project } = scope;
  const override = test.overrides.macros.is_incremental;
  return {
    ctx: overriddenContext(ctx, test),
    scope: {
      ...scope,
      dialect: { ...scope.dialect, helpers },
      graph,
      project: { ...project, vars: { ...project.vars, ...test.overrides.vars } },
    },
    subject: tested,
    relationOf: (id) => places.get(id) ?? tested.relation,
    schemas: [...new Set([...places.values()].map(({ schema }) => schema))],
    isIncremental: override === undefined ? undefined : override === true || override === "true",
  };
}

/** The model, seed, snapshot or source of an id that `ref` or `source` led to. */
export function relationNode(graph: Graph, id: string): RelationNode {
  const node = graph.nodes.get(id);
  if (node === undefined || node.kind === "test" || node.kind === "unit_test" || node.kind === "exposure")
    throw new Error(`${id} has no relation`);
  return node;
}

/** Relations keep their names, since SQL may use them as the names of tables. */
function freePlace(name: string, { prefix, taken }: { prefix: string; taken: Set<string> }): Relation {
  for (let count = 0; ; count++) {
    const place = { schema: count === 0 ? prefix : `${prefix}_${count}`, name };
    const key = `${place.schema}.${name}`.toLowerCase();
    if (taken.has(key)) continue;
    taken.add(key);
    return place;
  }
}

/** The node with its relation in another place; ephemeral models are tables like the others. */
export function copyOf<T extends RelationNode>(node: T, relation: Relation): T {
  if (node.kind !== "model") return { ...node, relation };
  const isEphemeral = node.config.materialized === "ephemeral";
  return { ...node, relation, config: isEphemeral ? { ...node.config, materialized: "table" } : node.config };
}

/** A query that is only compared is neither cut into batches nor surrounded by hooks. */
function testedModel(model: ModelNode, test: UnitTestNode): ModelNode {
  if (test.materialize) return model;
  return {
    ...model,
    hooks: { pre: [], post: [] },
    config: { ...model.config, materialized: "incremental", incremental_strategy: null },
  };
}

function overridden(
  scope: CompileScope,
  test: UnitTestNode,
): { macros: Macros; helpers: Dialect["helpers"] } {
  const entries = Object.entries(test.overrides.macros).map(([name, value]) => {
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    return [macroName(name), text] as const;
  });
  if (entries.length === 0) return { macros: scope.graph.macros, helpers: scope.dialect.helpers };
  const macros = new Map(scope.graph.macros);
  const helpers = { ...scope.dialect.helpers };
  for (const [name, text] of entries) {
    const former = macros.get(name);
    if (former !== undefined) macros.set(name, constantMacro(former, text));
    else if (Object.hasOwn(helpers, name)) helpers[name] = () => text;
  }
  return { macros, helpers };
}

function constantMacro({ id, name, file, source, description, parameters }: Macro, text: string): Macro {
  return { kind: "code", id, name, file, source, description, parameters, code: () => text };
}

function overriddenContext(ctx: Context, { overrides }: UnitTestNode): Context {
  const startedAt = parseEventTime(String(overrides.macros.run_started_at)) ?? ctx.startedAt;
  const env = { ...ctx.env, ...overrides.env_vars };
  if (overrides.macros.run_started_at === undefined) return { ...ctx, env };
  return { ...ctx, env, startedAt, clock: { ...ctx.clock, now: () => startedAt } };
}
