import { engineVersion } from "../engines/duckdb.ts";
import type { RunnableNode } from "../runner/build/results.ts";
import { hashOf } from "../runner/build/reuse/fingerprint.ts";
import { prepareReuse } from "../runner/build/reuse/prepare.ts";
import type { Reuse } from "../runner/build/reuse/reuse.ts";
import { storageOf } from "../runner/data-tests/failure-tables.ts";
import type { CompiledNode, CompileScope } from "../runner/graph/compile.ts";
import { packageVersion } from "./invocation.ts";
import type { RunOptions } from "./run-options.ts";
import type { OpenWarehouse } from "./warehouse.ts";
import type { Workspace } from "./workspace.ts";

interface Plan {
  scope: CompileScope;
  options: RunOptions;
  compiled: ReadonlyMap<string, CompiledNode>;
  snapshotSources: ReadonlyMap<string, string>;
}

/** What decides, node by node, what is left as it is. */
export async function reuseOf(
  { target }: Workspace,
  { engine, book }: OpenWarehouse,
  { plan, nodes }: { plan: Plan; nodes: readonly RunnableNode[] },
): Promise<Reuse> {
  const { options, scope, compiled, snapshotSources } = plan;
  const { settings, extensions, attach, schema } = target.duckdb;
  const asOf = options.asOf === undefined ? null : "--as-of";
  const force = options.fullRefresh ? "--full-refresh" : options.reuse === false ? "--no-reuse" : asOf;
  return prepareReuse(engine, {
    graph: scope.graph,
    nodes,
    compiled,
    snapshotSources,
    book,
    place: {
      "the engine's version": await engineVersion(),
      "the version of sillon": packageVersion(),
      "the target's settings": hashOf(settings, extensions, attach),
    },
    database: scope.target.database,
    schema,
    force,
    isStored: (node) => storageOf(node.config, options.storeFailures ?? false) !== null,
  });
}
