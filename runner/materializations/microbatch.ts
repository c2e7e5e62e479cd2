import type { Context } from "../../core/context.ts";
import type { Session } from "../../engines/engine.ts";
import { ofBatch } from "../batch-marks.ts";
import type { CompiledNode } from "../compile.ts";
import { type BatchWindow, batchWindows, parseEventTime, timestampText } from "./batch-windows.ts";
import { checkContract } from "./contract.ts";
import { addRows, isIncrementalRun } from "./incremental.ts";
import type { Built, ModelWork } from "./work.ts";

/**
 * Builds a model batch by batch, each in a transaction of its own; one that fails does not stop the others.
 * A table that is built anew over a former one is built in a single transaction: readers keep the former one.
 */
export async function buildBatches(ctx: Context, session: Session, work: ModelWork): Promise<Built> {
  const { node } = work;
  const isIncremental = await isIncrementalRun(session, work);
  const windows = windowsOf(ctx, work, isIncremental);
  const build = (window: BatchWindow, index: number) =>
    buildBatch(ctx, session, { ...work, window, isNew: !isIncremental && index === 0 });
  const isRebuild = !isIncremental && (await session.kindOf(node.relation)) !== undefined;
  if (isRebuild) {
    const rows = await session.transaction(async () => {
      let total = 0;
      for (const [index, window] of windows.entries()) total += await build(window, index);
      return total;
    });
    return { rows, batches: { successful: windows, failed: [] }, failure: null };
  }
  return buildEach(ctx, work, { windows, build, needsFirst: !isIncremental });
}

function windowsOf(ctx: Context, { node, eventTime }: ModelWork, isIncremental: boolean): BatchWindow[] {
  const { begin, batch_size, lookback } = node.config;
  const from = parseEventTime(begin ?? "");
  if (from === undefined || batch_size === null) throw new Error(`${node.id} was not checked`);
  const run = { now: ctx.startedAt, isIncremental, range: eventTime };
  return batchWindows({ begin: from, size: batch_size, lookback }, run);
}

async function buildEach(
  ctx: Context,
  { node, compiled, onChosen }: ModelWork,
  plan: {
    windows: readonly BatchWindow[];
    build: (window: BatchWindow, index: number) => Promise<number>;
    /** Whether the first batch makes the table that the others need. */
    needsFirst: boolean;
  },
): Promise<Built> {
  const batches = { successful: [] as BatchWindow[], failed: [] as BatchWindow[] };
  let rows = 0;
  let failure: Built["failure"] = null;
  for (const [index, window] of plan.windows.entries()) {
    try {
      if (plan.needsFirst && batches.failed.length > 0 && batches.successful.length === 0) {
        batches.failed.push(window);
        continue;
      }
      rows += await plan.build(window, index);
      batches.successful.push(window);
      ctx.log.debug("batch_built", `built ${node.name} of ${timestampText(window.start)}`, {
        model: node.name,
      });
    } catch (error) {
      if (ctx.signal.aborted) throw error;
      batches.failed.push(window);
      failure ??= { error, ran: textOf(compiled, window, plan.needsFirst && index === 0) };
    }
  }
  onChosen(textOf(compiled, plan.windows.at(-1), false));
  return { rows, batches, failure };
}

function textOf(compiled: CompiledNode, window: BatchWindow | undefined, isNew: boolean): CompiledNode {
  const text = (isNew ? undefined : compiled.incremental) ?? compiled;
  if (window === undefined) return text;
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
