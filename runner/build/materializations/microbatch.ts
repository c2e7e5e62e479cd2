import type { Context } from "../../../core/context.ts";
import type { Session } from "../../../engines/engine.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import type { ModelNode } from "../../graph/nodes.ts";
import { ofBatch } from "../batch-marks.ts";
import { type BatchWindow, batchWindows, parseEventTime, timestampText } from "./batch-windows.ts";
import { checkContract } from "./contract.ts";
import { addRows, isIncrementalRun } from "./incremental.ts";
import type { Built, ModelWork } from "./work.ts";

/**
 * Builds a model batch by batch, each in a transaction of its own; one that fails does not stop the others.
 * A table that is built anew is built in a single transaction: a run that is killed half way would leave a
 * table that the next run takes for a whole one.
 */
export async function buildBatches(ctx: Context, session: Session, work: ModelWork): Promise<Built> {
  const isIncremental = await isIncrementalRun(session, work);
  const windows = windowsOf(ctx, work, isIncremental);
  if (isIncremental) return buildEach(ctx, session, { ...work, windows });
  const rows = await session.transaction(async () => {
    let total = 0;
    for (const [index, window] of windows.entries())
      total += await buildBatch(ctx, session, { ...work, window, isNew: index === 0 });
    return total;
  });
  return { rows, batches: { successful: [...windows], failed: [] }, failure: null };
}

/** The batches that a run builds. */
export function windowsOf(
  ctx: Context,
  { node, eventTime, batches }: Pick<ModelWork, "node" | "eventTime" | "batches">,
  isIncremental: boolean,
): readonly BatchWindow[] {
  if (batches !== undefined && isIncremental) return batches;
  const { begin, batch_size, lookback } = node.config;
  const from = parseEventTime(begin ?? "");
  if (from === undefined || batch_size === null) throw new Error(`${node.id} was not checked`);
  const run = { now: ctx.startedAt, isIncremental, range: eventTime };
  return batchWindows({ begin: from, size: batch_size, lookback }, run);
}

async function buildEach(
  ctx: Context,
  session: Session,
  work: ModelWork & { windows: readonly BatchWindow[] },
): Promise<Built> {
  const { node, compiled } = work;
  const batches = { successful: [] as BatchWindow[], failed: [] as BatchWindow[] };
  let rows = 0;
  let failure: Built["failure"] = null;
  for (const window of work.windows) {
    try {
      rows += await buildBatch(ctx, session, { ...work, window, isNew: false });
      batches.successful.push(window);
      ctx.log.debug("batch_built", `built ${node.name} from ${timestampText(window.start)}`, {
        model: node.name,
      });
    } catch (error) {
      if (ctx.signal.aborted) throw error;
      batches.failed.push(window);
      failure ??= { error, ran: textOf(compiled, window, false) };
    }
  }
  if (batches.failed.length > 0) warnOfFailed(ctx, node, batches.failed);
  return { rows, batches, failure };
}

function warnOfFailed(ctx: Context, node: ModelNode, failed: readonly BatchWindow[]): void {
  const [first, last] = [failed[0], failed.at(-1)];
  if (first === undefined || last === undefined) return;
  const range = `--event-time-start "${timestampText(first.start)}" --event-time-end "${timestampText(last.end)}"`;
  ctx.log.warn(
    "batches_failed",
    `${failed.length} of the batches of ${node.name} failed; when it is corrected: run retry, or run models --select ${node.name} ${range}`,
    { model: node.name, batches: failed.map(({ start }) => start.toISOString()) },
  );
}

function textOf(compiled: CompiledNode, window: BatchWindow, isNew: boolean): CompiledNode {
  const text = (isNew ? undefined : compiled.incremental) ?? compiled;
  return ofBatch(text, { start: timestampText(window.start), end: timestampText(window.end) });
}

async function buildBatch(
  ctx: Context,
  session: Session,
  work: ModelWork & { window: BatchWindow; isNew: boolean },
): Promise<number> {
  const { node, window, isNew } = work;
  const ran = textOf(work.compiled, window, isNew);
  work.onChosen(ran);
  return session.transaction(async () => {
    const definition = await checkContract(ctx, session, { node, sql: ran.sql });
    if (isNew) return session.replaceTable(node.relation, ran.sql, definition);
    return addRows(session, node, {
      sql: ran.sql,
      replace: async () => {
        await session.deleteWindow(node.relation, {
          column: node.config.event_time ?? "",
          start: timestampText(window.start),
          end: timestampText(window.end),
        });
      },
    });
  });
}
