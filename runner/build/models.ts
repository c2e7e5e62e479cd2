import type { Context } from "../../core/context.ts";
import { ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Session, SqlError } from "../../engines/engine.ts";
import type { CompiledNode } from "../graph/compile.ts";
import { isMicrobatch, type ModelNode } from "../graph/nodes.ts";
import type { BatchWindow, EventTimeRange } from "./materializations/batch-windows.ts";
import { materialize } from "./materializations/materialize.ts";
import { executed, type Outcome } from "./outcome.ts";
import type { RelationResult } from "./results.ts";

export interface ModelRun {
  node: ModelNode;
  compiled: CompiledNode | undefined;
  isFullRefresh: boolean;
  eventTime: EventTimeRange | undefined;
  /** The batches of a microbatch model, when they are known: those that failed before. */
  batches: readonly BatchWindow[] | undefined;
}

/** Builds one model as its materialization says. */
export function buildModel(
  ctx: Context,
  { session, thread }: { session: Session; thread: number },
  run: ModelRun,
): Promise<RelationResult> {
  const { node, compiled } = run;
  if (compiled === undefined) throw new Error(`${node.id} was not compiled`);
  let ran = compiled;
  const onChosen = (text: CompiledNode) => {
    ran = text;
  };
  const work = async (): Promise<Outcome> => {
    const built = await materialize(ctx, session, { ...run, compiled, onChosen });
    const { rows, batches, failure } = built;
    const isUnchanged = rows === 0 && ran === compiled.incremental && onlyAddsRows(node);
    if (failure === null)
      return { status: "success", rows, ran, batches, error: null, reason: null, isUnchanged };
    const status = batches?.successful.length === 0 ? "error" : "partial success";
    const error = modelError(failure.error, node, failure.ran);
    return { status, rows, ran: failure.ran, batches, error, reason: null };
  };
  const failureOf = (error: unknown) => ({ ran, error: modelError(error, node, ran) });
  return executed(ctx, { node, thread }, { work, failureOf });
}

/** Whether a run that adds no rows leaves the table of an incremental model as it was. */
function onlyAddsRows(node: ModelNode): boolean {
  const { pre_hook, post_hook, on_schema_change } = node.config;
  const hasHooks = pre_hook.length + post_hook.length > 0;
  return !isMicrobatch(node) && !hasHooks && (on_schema_change === "ignore" || on_schema_change === "fail");
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
