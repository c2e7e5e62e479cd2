import { parseAsOf } from "../core/as-of.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import type { CompiledHook } from "../runner/build/hooks.ts";
import {
  type BatchWindow,
  type EventTimeRange,
  parseEventTime,
} from "../runner/build/materializations/batch-windows.ts";
import type { NodeResult } from "../runner/build/results.ts";
import { snapshotSources as sourcesOfSnapshots } from "../runner/build/snapshots.ts";
import {
  type CompiledNode,
  type CompileScope,
  compileNodes,
  compileRunHooks,
} from "../runner/graph/compile.ts";
import { modelsOf, snapshotsOf, testsOf } from "../runner/graph/nodes.ts";
import type { RunOptions } from "./run-options.ts";
import { chooseNodes, type GraphSelection } from "./selection.ts";
import type { Workspace } from "./workspace.ts";

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

interface RunHooks {
  start: CompiledHook[];
  end: CompiledHook[];
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
