import type { StreamDefinition } from "../core/sillon.ts";
import { type Position, positionOf } from "./cursor/position.ts";
import { followCursor, type Reach } from "./cursor/reach.ts";
import type { OddCursors } from "./cursor/watch.ts";
import { Enough, type PartEnd, type PartWork } from "./load-parts.ts";
import { type LoadBounds, type LoadPlan, planLoad } from "./load-plan.ts";
import type { StoredParent } from "./raw/parent-records.ts";
import type { Batch, Parent, Reader, ReadJob, ReadOutcome } from "./reader.ts";
import { createTurns } from "./turns.ts";

/** Whether each parent's list of the stream has a cursor of its own. */
export function hasCursorPerParent(stream: object): boolean {
  return (
    "parent" in stream && stream.parent !== undefined && "cursor" in stream && stream.cursor !== undefined
  );
}

export interface ParentWork extends Omit<PartWork, "reach" | "commit" | "takeBack"> {
  bounds: LoadBounds;
  now: Date;
  parents(): AsyncIterable<StoredParent>;
  /** With the cursors of the lists that have come, by the parents' keys. */
  commit(end: PartEnd, cursors: ReadonlyMap<string, string>): Promise<void>;
}

/** A part is committed after so long, however few its records are. */
const PART_MS = 10_000;

/**
 * Reads a child stream list by list, each from its own cursor on, and commits lists that have come together with their
 * cursors: also those that came before the load failed. Resolves with what came unasked or with an odd cursor too.
 */
export async function readByParent(
  reader: Reader,
  job: Omit<ReadJob, "restart" | "onBatch" | "parents">,
  work: ParentWork,
): Promise<ReadOutcome & Pick<Reach, "odd" | "outside">> {
  const { stream, plan, ctx } = work;
  const plans = new Map<string, LoadPlan>();
  const tally = createTally();
  const inTurn = createTurns();
  const limit = job.range.limit ?? Number.POSITIVE_INFINITY;
  let cursors = new Map<string, string>();
  let [received, waiting, lastBatch, committedAtMs] = [0, 0, 0, ctx.clock.now().getTime()];
  const commit = async (end: PartEnd) => {
    await work.commit(end, cursors);
    cursors = new Map();
    [waiting, committedAtMs] = [0, ctx.clock.now().getTime()];
  };
  const take = async (batch: Batch) => {
    const { parent = "" } = batch;
    const listPlan = plans.get(parent);
    if (received >= limit || listPlan === undefined) return;
    plans.delete(parent);
    const reach = followCursor(stream, { plan: listPlan, now: work.now });
    const records = reach.take({ ...batch, number: 1 }, limit - received);
    tally.add(reach);
    if (records.length > 0) await work.land({ ...batch, records });
    received += records.length;
    waiting += records.length;
    lastBatch = batch.number;
    const cursor = cursorAfter(listPlan, reach);
    if (cursor !== null) cursors.set(parent, cursor.text);
    if (received >= limit) throw new Enough();
    const isDue = waiting >= work.commitRecords || ctx.clock.now().getTime() - committedAtMs >= PART_MS;
    if (isDue && !plan.concludesDeletions) await commit({ batch: lastBatch, pages: lastBatch, cursor: null });
  };
  try {
    const outcome = await reader.read({
      ...job,
      parents: () => planned(work, plans),
      restart: work.restart,
      onBatch: (batch) => inTurn(() => take(batch)),
    });
    const whole = { total: outcome.total };
    await commit({ batch: null, pages: outcome.pages, cursor: null, whole });
    return { ...outcome, ...tally };
  } catch (error) {
    const isEnough = error instanceof Enough;
    ctx.signal.throwIfAborted();
    if (isEnough || !plan.concludesDeletions) await commit({ batch: null, pages: lastBatch, cursor: null });
    if (!isEnough) throw error;
    return { pages: lastBatch, total: null, ...tally };
  }
}

/** What is to be asked of each parent's list. */
async function* planned(
  { parents, stream, bounds }: ParentWork,
  plans: Map<string, LoadPlan>,
): AsyncGenerator<Parent> {
  for await (const parent of parents()) {
    const plan = planOfList(stream, bounds, parent);
    plans.set(parent.key, plan);
    yield { key: parent.key, text: parent.text, range: plan.range };
  }
}

/** Of one parent's list, which has a cursor of its own. */
export function planOfList(
  stream: StreamDefinition,
  bounds: LoadBounds,
  { reached }: StoredParent,
): LoadPlan {
  const { cursor } = stream;
  const known = reached === null || cursor === undefined ? null : positionOf(cursor, reached.text);
  const state = { cursor: known, loadedAt: reached?.at ?? null };
  return planLoad(stream, { bounds, state, isOfFiles: false });
}

/** Null when it stays as it is. */
function cursorAfter({ movesCursor, mode, known }: LoadPlan, reach: Reach): Position | null {
  const newest = movesCursor ? reach.newest() : null;
  if (newest === null || mode === "full" || known === null) return newest;
  return newest.order > known.order ? newest : known;
}

/** What all lists together had that was odd. */
function createTally() {
  const found = new Map<string, OddCursors>();
  let outside = 0;
  return {
    add: (reach: Reach) => {
      outside += reach.outside();
      for (const { what, count, keys } of reach.odd()) {
        const sum = found.get(what) ?? { what, count: 0, keys: [] };
        found.set(what, { what, count: sum.count + count, keys: [...sum.keys, ...keys].slice(0, 3) });
      }
    },
    odd: () => [...found.values()],
    outside: () => outside,
  };
}
