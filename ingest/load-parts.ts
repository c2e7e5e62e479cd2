import type { Context } from "../core/context.ts";
import type { StreamDefinition } from "../core/sillon.ts";
import { later, type Position } from "./cursor/position.ts";
import type { Reach } from "./cursor/reach.ts";
import type { LoadPlan } from "./load-plan.ts";
import type { Batch, LoadedPart, Reader, ReadJob, ReadOutcome } from "./reader.ts";
import { createTurns } from "./turns.ts";

/** The end of a part: its last batch, or null when it is all that has come, and the cursor that goes with it. */
export interface PartEnd {
  batch: number | null;
  /** From the first batch on. */
  pages: number;
  cursor: Position | null;
  /** All has come that there is; `total` is what the source announced, if it did. */
  whole?: { total: number | null };
  /** What the source says of what it was read of. */
  read?: LoadedPart;
  pageList?: ReadOutcome["pageList"];
}

export interface PartWork {
  ctx: Context;
  stream: StreamDefinition;
  plan: LoadPlan;
  reach: Reach;
  /** Records after which a part is committed. */
  commitRecords: number;
  land(batch: Batch): Promise<void>;
  commit(end: PartEnd): Promise<void>;
  /** Sets the cursor back to where it was before the load. */
  takeBack(): Promise<void>;
  /** Forgets what was landed and not committed. */
  restart(): Promise<void>;
}

/** No more records are wanted. */
export class Enough extends Error {
  override readonly name = "Enough";
}

/** A part is committed after so long, however few its records are. */
const PART_MS = 10_000;

/**
 * Reads a stream and commits what comes: at its end, or part by part where records come in the order of the cursor,
 * each with the cursor up to which none is missing.
 */
export async function readInParts(
  reader: Reader,
  job: Omit<ReadJob, "restart" | "onBatch">,
  work: PartWork,
): Promise<ReadOutcome> {
  const { plan, reach } = work;
  const parts = createParts(work);
  const { limit } = job.range;
  let [received, isEnded] = [0, false];
  const onBatch = async (batch: Batch) => {
    if (isEnded) return;
    const records = reach.take(batch, (limit ?? Number.POSITIVE_INFINITY) - received);
    received += records.length;
    isEnded = received === limit;
    await work.land({ ...batch, records });
    if (isEnded) throw new Enough();
    await parts.commitIfDue();
  };
  const inTurn = createTurns();
  try {
    const outcome = await reader.read({
      ...job,
      restart: async () => {
        received = 0;
        await parts.restart();
      },
      onBatch: plan.inParts ? (batch) => inTurn(() => onBatch(batch)) : onBatch,
    });
    isEnded = true;
    const read = plan.isNoted && outcome.part !== undefined ? { read: outcome.part } : {};
    const whole = { total: outcome.total };
    const { pageList } = outcome;
    await work.commit({
      batch: null,
      pages: outcome.pages,
      cursor: wholeCursor(plan, reach),
      whole,
      ...read,
      ...(pageList === undefined ? {} : { pageList }),
    });
    return outcome;
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
    const pages = reach.upTo().batch;
    await work.commit({ batch: null, pages, cursor: parts.orderedCursor() });
    return { pages, total: null };
  }
}

/** All has come. */
function wholeCursor(plan: LoadPlan, reach: Reach): Position | null {
  if (!plan.movesCursor) return plan.known;
  return plan.mode === "full" ? reach.newest() : later(plan.known, reach.newest());
}

function createParts({ ctx, plan, reach, stream, ...work }: PartWork) {
  let isOn = plan.inParts;
  let committed = { batch: 0, records: 0 };
  let committedAtMs = ctx.clock.now().getTime();
  /** A record earlier than the cursor may not have come. */
  const stop = async (why: string) => {
    isOn = false;
    if (committed.batch > 0) await work.takeBack();
    ctx.log.warn("parts_stopped", `${stream.name}: ${why}; the rest is committed at the end of the load`, {
      stream: stream.name,
    });
  };
  const orderedCursor = () => (isOn ? later(plan.known, reach.upTo().newest) : plan.known);
  return {
    orderedCursor,
    restart: async () => {
      if (committed.batch > 0) await stop("the list changed while it was read");
      committed = { batch: 0, records: 0 };
      reach.restart();
      await work.restart();
    },
    commitIfDue: async () => {
      if (!isOn) return;
      if (reach.isUnordered()) return stop("records do not come in the order of the cursor");
      const { batch, records } = reach.upTo();
      const nowMs = ctx.clock.now().getTime();
      if (batch === committed.batch) return;
      if (records - committed.records < work.commitRecords && nowMs - committedAtMs < PART_MS) return;
      await work.commit({ batch, pages: batch, cursor: orderedCursor() });
      committed = { batch, records };
      committedAtMs = nowMs;
    },
  };
}
