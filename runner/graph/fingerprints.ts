import { createHash } from "node:crypto";
import type { Context } from "../../core/context.ts";
import type { Fixture } from "../unit-tests/fixture.ts";
import { type CompiledNode, type CompileScope, compileNodes } from "./compile.ts";
import {
  type Column,
  type Graph,
  type ModelNode,
  modelsOf,
  type Node,
  testsOf,
  type UnitTestNode,
} from "./nodes.ts";

/**
 * A hash for every seed, model, snapshot, test and unit test, by id, of all that decides what a run does with it: its
 * rendered SQL with macros and variables filled in, its configuration and its file. Times and ids of a run are left out. Throws
 * ProjectErrors as compileNodes does.
 */
export function fingerprintsOf(ctx: Context, scope: CompileScope): Map<string, string> {
  const silent = () => {};
  const timeless: Context = {
    ...ctx,
    startedAt: new Date(0),
    invocationId: "",
    log: { debug: silent, info: silent, warn: silent, error: silent },
  };
  const compiled = compileNodes(timeless, scope, [...modelsOf(scope.graph), ...testsOf(scope.graph)]);
  return new Map(
    [...scope.graph.nodes.values()].flatMap((node) => {
      const parts = partsOf(scope.graph, node, compiled.get(node.id));
      const hash = createHash("sha256").update(JSON.stringify(parts)).digest("hex");
      return parts === null ? [] : [[node.id, hash] as const];
    }),
  );
}

/** The nodes that are new or changed between two states of the project, and all that depend on them. */
export function changedSince(
  former: ReadonlyMap<string, string>,
  { graph, present }: { graph: Graph; present: ReadonlyMap<string, string> },
): Set<string> {
  const open = [...present].flatMap(([id, hash]) => (former.get(id) === hash ? [] : [id]));
  const changed = new Set(open);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    for (const child of graph.children.get(id) ?? []) {
      if (changed.has(child)) continue;
      changed.add(child);
      open.push(child);
    }
  }
  return changed;
}

function partsOf(graph: Graph, node: Node, compiled: CompiledNode | undefined): unknown[] | null {
  switch (node.kind) {
    case "model":
      return [node.config, node.relation, contractOf(node), docsOf(node), ...sqlOf(compiled)];
    case "seed":
      return [node.config, node.relation, node.checksum];
    case "snapshot":
      return [node.config, node.relation, node.dependsOn];
    case "test":
      return [node.config, node.relation, ...sqlOf(compiled)];
    case "unit_test":
      return unitTestParts(graph, node);
    default:
      return null;
  }
}

/** With the text of what it tests: its overrides may render it otherwise than a run does. */
function unitTestParts(graph: Graph, node: UnitTestNode): unknown[] {
  const { subject, given, expect, overrides, materialize, idempotent } = node;
  const tested = graph.nodes.get(subject);
  const text = tested?.kind === "model" ? tested.template.source : null;
  const inputs = given.map(({ id, isThis, fixture }) => [id, isThis, fixture && rowsOf(fixture)]);
  return [text, inputs, rowsOf(expect), overrides, materialize, idempotent];
}

/** Without the places in its file. */
function rowsOf(fixture: Fixture): unknown[] {
  return fixture.kind === "sql" ? [fixture.sql] : [fixture.columns, fixture.rows, fixture.isText];
}

function sqlOf(compiled: CompiledNode | undefined): unknown[] {
  return [compiled?.sql, compiled?.hooks, compiled?.incremental?.sql, compiled?.incremental?.hooks];
}

function contractOf({ config, columns, constraints }: ModelNode): unknown {
  const typeOf = ({ name, dataType, constraints }: Column) => [name, dataType, constraints];
  return config.contract.enforced ? [columns.map(typeOf), constraints] : null;
}

function docsOf({ config: { persist_docs }, description, columns }: ModelNode): unknown {
  const { relation, columns: ofColumns } = persist_docs;
  return [relation && description, ofColumns && columns.map(({ name, description }) => [name, description])];
}
