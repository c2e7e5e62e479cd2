import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Engine, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import type { CompiledNode } from "../graph/compile.ts";
import { isEphemeral, readsOf } from "../graph/ephemeral.ts";
import { type Graph, type ModelNode, modelsOf } from "../graph/nodes.ts";
import { runInOrder } from "./execute.ts";
import type { EventTimeRange } from "./materializations/batch-windows.ts";
import { materialize } from "./materializations/materialize.ts";
import type { ModelResult } from "./results.ts";
import { type SessionPool, withSession } from "./session-pool.ts";

/** The chosen models, and those of their ancestors that were never built in this target. */
export async function modelsToBuild(
  engine: Engine,
  graph: Graph,
  options: { selected: ReadonlySet<string>; onlySelected: boolean },
): Promise<{ models: ModelNode[]; added: ModelNode[] }> {
  const relations = modelsOf(graph).filter((model) => !isEphemeral(model));
  const chosen = relations.filter((model) => options.selected.has(model.id));
  if (options.onlySelected) return { models: chosen, added: [] };
  const built = await engine.relations();
  const wanted = new Set(chosen.map((model) => model.id));
  const added: ModelNode[] = [];
  const toVisit = [...chosen];
  for (let model = toVisit.pop(); model !== undefined; model = toVisit.pop()) {
    for (const id of readsOf(graph, model)) {
      const parent = graph.nodes.get(id);
      if (parent?.kind !== "model" || wanted.has(id) || built.has(relationKey(parent.relation))) continue;
      wanted.add(id);
      added.push(parent);
      toVisit.push(parent);
    }
  }
  return { models: relations.filter((model) => wanted.has(model.id)), added };
}

/** Builds the models in order. A failed one skips its descendants and nothing else. */
export async function buildModels(
  ctx: Context,
  pool: SessionPool,
  work: {
    graph: Graph;
    models: readonly ModelNode[];
    compiled: ReadonlyMap<string, CompiledNode>;
    /** Incremental tables are built from nothing. */
    isFullRefresh?: boolean;
    /** The batches of microbatch models, when not those that are due. */
    eventTime?: EventTimeRange | undefined;
    /** Names of the seeds that could not be loaded, by id. */
    broken?: ReadonlyMap<string, string>;
  },
): Promise<ModelResult[]> {
  await pool.engine.createSchemas(new Set(work.models.map((model) => model.relation.schema)));
  const byId = new Map(work.models.map((model) => [model.id, model]));
  const reads = new Map(work.models.map((model) => [model.id, readsOf(work.graph, model)]));
  const broken = new Map<string, string>(work.broken);
  const results = await runInOrder([...byId.keys()], {
    dependencies: (id) => reads.get(id) ?? [],
    limit: pool.size,
    work: async (id) => {
      const node = nodeOf(byId, id);
      const culprit = reads
        .get(id)
        ?.map((parent) => broken.get(parent))
        .find((name) => name !== undefined);
      const result =
        culprit !== undefined || ctx.signal.aborted
          ? skippedModel(ctx, node, culprit === undefined ? "the run was interrupted" : `${culprit} failed`)
          : await withSession(pool, (session, thread) =>
              buildModel(ctx, session, {
                node,
                thread,
                compiled: work.compiled,
                isFullRefresh: work.isFullRefresh ?? false,
                eventTime: work.eventTime,
              }),
            );
      const isInterrupted = result.status === "skipped" && culprit === undefined;
      if (result.status !== "success" && !isInterrupted) broken.set(id, culprit ?? node.name);
      report(ctx, result);
      return result;
    },
  });
  return work.models.flatMap((model) => results.get(model.id) ?? []);
}

function nodeOf(byId: ReadonlyMap<string, ModelNode>, id: string): ModelNode {
  const node = byId.get(id);
  if (node === undefined) throw new Error(`no model ${id} in this run`);
  return node;
}

async function buildModel(
  ctx: Context,
  session: Session,
  work: {
    node: ModelNode;
    thread: number;
    compiled: ReadonlyMap<string, CompiledNode>;
    isFullRefresh: boolean;
    eventTime: EventTimeRange | undefined;
  },
): Promise<ModelResult> {
  const { node, thread } = work;
  const compiled = work.compiled.get(node.id);
  if (compiled === undefined) throw new Error(`${node.id} was not compiled`);
  const startedAt = ctx.clock.now();
  const end = (
    outcome: Pick<ModelResult, "status" | "rows" | "ran" | "batches" | "error" | "reason">,
  ): ModelResult => {
    const endedAt = ctx.clock.now();
    return {
      node,
      thread,
      startedAt,
      endedAt,
      seconds: (endedAt.getTime() - startedAt.getTime()) / 1000,
      ...outcome,
    };
  };
  let ran = compiled;
  const onChosen = (text: CompiledNode) => {
    ran = text;
  };
  try {
    const { isFullRefresh, eventTime } = work;
    const built = await materialize(ctx, session, { node, compiled, isFullRefresh, eventTime, onChosen });
    const { rows, batches, failure } = built;
    if (failure === null) return end({ status: "success", rows, ran, batches, error: null, reason: null });
    const status = batches?.successful.length === 0 ? "error" : "partial success";
    const error = modelError(failure.error, node, failure.ran);
    return end({ status, rows, ran: failure.ran, batches, error, reason: null });
  } catch (error) {
    if (ctx.signal.aborted)
      return end({ status: "skipped", rows: null, error: null, reason: "the run was interrupted" });
    return end({ status: "error", rows: null, ran, error: modelError(error, node, ran), reason: null });
  }
}

function modelError(error: unknown, node: ModelNode, compiled: CompiledNode): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  return sqlProjectError("MODEL_SQL", error, {
    compiled,
    fallback: `${node.file}:1:1`,
    missingTableHint: missingTableHint(error),
  });
}

/** The engine's complaint at the author's line. */
export function sqlProjectError(
  code: string,
  error: SqlError,
  at: { compiled: CompiledNode; fallback: string; missingTableHint?: string | undefined },
): ProjectError {
  const [first = error.message, ...rest] = error.message.split("\n").filter((line) => line.trim() !== "");
  const call = error.offset === undefined ? undefined : at.compiled.callOf?.(error.offset);
  return new ProjectError(code, {
    message: first,
    where: error.offset === undefined ? at.fallback : at.compiled.placeOf(error.offset),
    why: [...(call === undefined ? [] : [`in a macro, called from ${call}`]), ...rest.slice(0, 5)],
    hint:
      at.missingTableHint ??
      secondStatementHint(first) ??
      "correct the SQL at this place; target/compiled/ holds what the engine was given",
    cause: error,
  });
}

function secondStatementHint(message: string): string | undefined {
  return message.includes('at or near ";"') ? "leave one statement: a query holds no semicolon" : undefined;
}

function missingTableHint(error: SqlError): string | undefined {
  if (!/Table with name .* does not exist/s.test(error.message)) return undefined;
  return "if it is a source table, load it first: run ingest; if a model, build it first: run models";
}

/** A model that was not built, and why. */
export function skippedModel(ctx: Context, node: ModelNode, reason: string): ModelResult {
  const now = ctx.clock.now();
  return {
    node,
    thread: 1,
    startedAt: now,
    endedAt: now,
    seconds: 0,
    status: "skipped",
    rows: null,
    error: null,
    reason,
  };
}

function report(ctx: Context, result: ModelResult): void {
  const { node, status, rows, seconds, reason, error } = result;
  const fields = { model: node.name, status, rows, seconds };
  if (status === "success") ctx.log.info("model_built", `built ${node.name}`, fields);
  else if (status === "skipped") ctx.log.warn("model_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error("model_failed", describeError(error), fields);
}
