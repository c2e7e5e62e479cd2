import { EXIT } from "../core/errors.ts";
import { openDuckdbCopy } from "../engines/duckdb-copy.ts";
import type { Engine } from "../engines/engine.ts";
import { nodesToRun } from "../runner/build/parents.ts";
import type { Reuse } from "../runner/build/reuse/reuse.ts";
import { dryRun } from "../runner/dry-run/dry-run.ts";
import type { PlannedNode } from "../runner/dry-run/plan.ts";
import type { ReferableNode } from "../runner/graph/nodes.ts";
import { noteForeign } from "../state/builds.ts";
import { checkAsOf } from "./as-of.ts";
import { errorJson } from "./json.ts";
import type { Outcome } from "./outcome.ts";
import type { GraphPlan } from "./plan.ts";
import { KINDS, type RunScope } from "./plan.ts";
import { type Colors, formatTable, plural } from "./print.ts";
import { createRecoSource } from "./reco-source.ts";
import { reuseOf } from "./reuse-plan.ts";
import { keepsToSelected } from "./steps.ts";
import type { Terminal } from "./terminal.ts";
import { openHeld, openWarehouseReadOnly, ownFiles, waitMsOf } from "./warehouse.ts";
import type { Workspace } from "./workspace.ts";

/** What a command would run. */
export interface DryRunRequest extends RunScope {
  plan: GraphPlan;
  /** Adds to the copy what the command would add before these are run. */
  prepare?: (engine: Engine) => Promise<void>;
}

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
    unfinished: planned.filter(({ action }) => action === null).map(({ node }) => node.id),
  };
}

async function planIn(
  workspace: Workspace,
  { plan, which, kinds = KINDS[which], prepare }: DryRunRequest,
): Promise<PlannedNode[]> {
  const { ctx, target, warnings } = workspace;
  warnings.throwIfAny();
  // What is built in the copy is no news.
  const quiet = { ...ctx, log: { ...ctx.log, info: ctx.log.debug } };
  const { options, scope, batches, ...planned } = plan;
  const deadlineMs = ctx.clock.now().getTime() + waitMsOf(workspace);
  const reuse = await foresee(workspace, deadlineMs, {
    plan,
    which,
    kinds,
    isPrepared: prepare !== undefined,
  });
  const engine = await openHeld(workspace, deadlineMs, () =>
    openDuckdbCopy(ctx, target.duckdb, ownFiles(workspace)),
  );
  try {
    await prepare?.(engine);
    await createRecoSource(engine, plan.scope.graph);
    return await dryRun(
      quiet,
      { engine, threads: target.duckdb.threads },
      {
        ...planned,
        ...(batches === undefined ? {} : { batches }),
        graph: scope.graph,
        kinds,
        onlySelected: keepsToSelected(plan, which),
        isFullRefresh: options.fullRefresh ?? false,
        reuse,
      },
    );
  } finally {
    engine.close();
  }
}

/**
 * What the command would leave as it is. The copy has no rows: the warehouse itself tells of that, and whether
 * the moment can be read. Undefined without a warehouse, and when what is loaded first decides.
 */
async function foresee(
  workspace: Workspace,
  deadlineMs: number,
  { plan, which, kinds, isPrepared }: Required<RunScope> & { plan: GraphPlan; isPrepared: boolean },
): Promise<Reuse | undefined> {
  const { scope, selected, hooks } = plan;
  const warehouse = await openWarehouseReadOnly(workspace, deadlineMs);
  if (warehouse === undefined) return undefined;
  const { engine, book } = warehouse;
  try {
    if (scope.asOf !== undefined) await checkAsOf(workspace.ctx, engine, scope.asOf);
    if (which === "test" || isPrepared) return undefined;
    const onlySelected = keepsToSelected(plan, which);
    const { nodes } = await nodesToRun(engine, scope.graph, { selected, kinds, onlySelected });
    if (hooks.start.length + hooks.end.length > 0) noteForeign(book);
    return await reuseOf(workspace, warehouse, { plan, nodes });
  } finally {
    engine.close();
  }
}

function summarize(planned: readonly PlannedNode[]): string {
  const wrong = planned.filter(({ error }) => error !== null).length;
  const skipped = planned.filter(({ reason }) => reason !== null).length;
  const nouns = {
    unit_test: "unit test",
    seed: "seed",
    snapshot: "snapshot",
    model: "model",
    test: "test",
  };
  const parts = Object.entries(nouns).flatMap(([kind, noun]) => {
    const count = planned.filter(
      ({ node, action }) => node.kind === kind && action !== null && action !== "reuse",
    ).length;
    return count === 0 ? [] : [plural(count, noun)];
  });
  const reused = planned.filter(({ action }) => action === "reuse").length;
  const would = `would run ${parts.length === 0 ? "nothing" : parts.join(", ")}`;
  const not = [
    ...(reused > 0 ? [`reuse ${plural(reused, "node")} that did not change`] : []),
    ...(wrong > 0 ? [`${wrong} would fail`] : []),
    ...(skipped > 0 ? [`${skipped} would be skipped`] : []),
  ];
  return `dry run: ${[would, ...not].join(", ")}; nothing was changed`;
}

function formatPlanned(planned: readonly PlannedNode[], colors: Colors): string {
  const shown = planned.filter(({ node, action }) => isBuilt(node) || action === null);
  const rows = shown.map((one) => {
    const { node, action, reason } = one;
    const what = action ?? (reason === null ? colors.red("error") : colors.yellow("skipped"));
    const [name, as] = isBuilt(node)
      ? [`${node.relation.schema}.${node.relation.name}`, node.config.materialized]
      : [node.name, "test"];
    return [name, as, what, detailsOf(one).join("; ")];
  });
  return rows.length === 0 ? "" : formatTable(["node", "as", "would", "and"], rows, colors);
}

function isBuilt(node: PlannedNode["node"]): node is ReferableNode {
  return node.kind !== "test" && node.kind !== "unit_test";
}

function detailsOf(one: PlannedNode): string[] {
  const { isAdded, rows, batches, columns, present, reason, node, action, why } = one;
  const isTurned = node.kind === "model" && present !== null && (present === "view") !== isView(one);
  return [
    ...(isAdded ? [node.kind === "seed" ? "never loaded before" : "never built before"] : []),
    ...(isTurned ? [`it is a ${present} now`] : []),
    ...(rows === null ? [] : [plural(rows, "row")]),
    ...(batches === null ? [] : [batches === 1 ? "1 batch" : `${batches} batches`]),
    ...(columns === null ? [] : columnTexts(columns)),
    ...(reason === null ? [] : [reason]),
    ...(why === null || action !== "replace" ? [] : [why]),
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
  const { node, action, isAdded, present, columns, rows, batches, error, reason, why } = one;
  return {
    unique_id: node.id,
    name: node.name,
    resource_type: node.kind,
    relation: isBuilt(node) ? `${node.relation.schema}.${node.relation.name}` : null,
    materialized: isBuilt(node) ? node.config.materialized : "test",
    action: action?.replace(" ", "_") ?? null,
    built_first: isAdded,
    present,
    rows,
    batches,
    columns:
      columns === null ? null : { added: columns.added, dropped: columns.missing, retyped: columns.retyped },
    reason,
    why,
    error: error === null ? null : errorJson(error),
  };
}
