import { EXIT } from "../core/errors.ts";
import { openDuckdbCopy } from "../engines/duckdb-copy.ts";
import type { Engine } from "../engines/engine.ts";
import { snapshotSources } from "../runner/build/snapshots.ts";
import { type DryRunWork, dryRun } from "../runner/dry-run/dry-run.ts";
import type { PlannedNode } from "../runner/dry-run/plan.ts";
import { snapshotsOf } from "../runner/graph/nodes.ts";
import { errorJson } from "./json.ts";
import type { Outcome } from "./outcome.ts";
import { type Colors, formatTable, plural } from "./print.ts";
import type { GraphPlan } from "./steps.ts";
import type { Terminal } from "./terminal.ts";
import { openHeld, type Workspace, waitMsOf } from "./workspace.ts";

export interface DryRunOptions {
  dryRun?: boolean;
}

/** What a command says of itself for its dry run. */
export type DryRunRequest = GraphPlan &
  Pick<DryRunWork, "onlySelected" | "isFullRefresh" | "eventTime"> & {
    kinds: readonly ("seed" | "model" | "snapshot" | "test")[];
    /** Adds to the copy what the command would add before these are run. */
    prepare?: (engine: Engine) => Promise<void>;
  };

/**
 * Binds everything that a command would run in an empty copy of the warehouse, and says what it would do.
 * Nothing of the project is changed; without a bind for each node it is exit 2.
 */
export async function dryRunOutcome(
  workspace: Workspace,
  terminal: Terminal,
  request: DryRunRequest,
): Promise<Outcome> {
  const planned = await planIn(workspace, request);
  const errors = planned.filter(({ error }) => error !== null).length;
  const summary = summarize(planned);
  const text = [formatPlanned(planned, terminal.colors), summary].filter(Boolean).join("\n\n");
  return {
    exitCode: errors > 0 ? EXIT.usage : EXIT.ok,
    summary,
    text,
    json: { dry_run: true, nodes: planned.map(plannedJson) },
  };
}

async function planIn(workspace: Workspace, request: DryRunRequest): Promise<PlannedNode[]> {
  const { ctx, target, warnings } = workspace;
  warnings.throwIfAny();
  // What is built in the copy is no news.
  const quiet = { ...ctx, log: { ...ctx.log, info: ctx.log.debug } };
  const { graph } = request.scope;
  const deadlineMs = ctx.clock.now().getTime() + waitMsOf(workspace);
  const engine = await openHeld(workspace, deadlineMs, () => openDuckdbCopy(ctx, target.duckdb));
  try {
    await request.prepare?.(engine);
    return await dryRun(
      quiet,
      { engine, threads: target.duckdb.threads },
      {
        ...request,
        graph,
        kinds: new Set(request.kinds),
        snapshotSources: snapshotSources(ctx, request.scope, snapshotsOf(graph)),
      },
    );
  } finally {
    engine.close();
  }
}

function summarize(planned: readonly PlannedNode[]): string {
  const wrong = planned.filter(({ error }) => error !== null).length;
  const skipped = planned.filter(({ reason }) => reason !== null).length;
  const nouns = { seed: "seed", model: "model", snapshot: "snapshot", test: "test" } as const;
  const parts = Object.entries(nouns).flatMap(([kind, noun]) => {
    const count = planned.filter(({ node, action }) => node.kind === kind && action !== null).length;
    return count === 0 ? [] : [plural(count, noun)];
  });
  const would = `would run ${parts.length === 0 ? "nothing" : parts.join(", ")}`;
  const not = [
    ...(wrong > 0 ? [`${wrong} would fail`] : []),
    ...(skipped > 0 ? [`${skipped} would be skipped`] : []),
  ];
  return `dry run: ${[would, ...not].join(", ")}; nothing was changed`;
}

function formatPlanned(planned: readonly PlannedNode[], colors: Colors): string {
  const built = planned.filter(({ node }) => node.kind !== "test");
  const tests = planned.filter(({ node, action }) => node.kind === "test" && action === null);
  const rows = [...built, ...tests].map((one) => {
    const { node, action, reason } = one;
    const what = action ?? (reason === null ? colors.red("error") : colors.yellow("skipped"));
    const name = node.kind === "test" ? node.name : `${node.relation.schema}.${node.relation.name}`;
    return [name, node.kind === "test" ? "test" : node.config.materialized, what, detailsOf(one).join("; ")];
  });
  return rows.length === 0 ? "" : formatTable(["node", "as", "would", "and"], rows, colors);
}

function detailsOf(one: PlannedNode): string[] {
  const { isAdded, rows, batches, columns, present, reason, node } = one;
  const isTurned = node.kind === "model" && present !== null && (present === "view") !== isView(one);
  return [
    ...(isAdded ? [node.kind === "seed" ? "never loaded before" : "never built before"] : []),
    ...(isTurned ? [`it is a ${present} now`] : []),
    ...(rows === null ? [] : [plural(rows, "row")]),
    ...(batches === null ? [] : [batches === 1 ? "1 batch" : `${batches} batches`]),
    ...(columns === null ? [] : columnTexts(columns)),
    ...(reason === null ? [] : [reason]),
  ];
}

function isView({ node }: PlannedNode): boolean {
  return node.kind === "model" && node.config.materialized === "view";
}

function columnTexts({ added, missing, retyped }: NonNullable<PlannedNode["columns"]>): string[] {
  return [
    ...added.map(({ name, type }) => `+ ${name} ${type}`),
    ...missing.map(({ name }) => `- ${name}`),
    ...retyped.map(({ name, from, type }) => `${name} ${from} -> ${type}`),
  ];
}

function plannedJson(one: PlannedNode): Record<string, unknown> {
  const { node, action, isAdded, present, columns, rows, batches, error, reason } = one;
  return {
    unique_id: node.id,
    name: node.name,
    resource_type: node.kind,
    relation: node.kind === "test" ? null : `${node.relation.schema}.${node.relation.name}`,
    materialized: node.kind === "test" ? "test" : node.config.materialized,
    action: action?.replace(" ", "_") ?? null,
    built_first: isAdded,
    present,
    rows,
    batches,
    columns:
      columns === null ? null : { added: columns.added, dropped: columns.missing, retyped: columns.retyped },
    reason,
    error: error === null ? null : errorJson(error),
  };
}
