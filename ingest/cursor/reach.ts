import type { StreamDefinition } from "../../core/sillon.ts";
import type { LoadPlan } from "../load-plan.ts";
import type { Batch } from "../reader.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { later, type Position } from "./position.ts";
import { type OddCursors, type Watched, watchCursors } from "./watch.ts";

/** How far a load has come by its cursor. */
export interface Reach {
  /** Notes a batch; returns the records of it that belong to the load, so many at most. */
  take(batch: Batch, most: number): RawRecord[];
  /** The last batch before which none is missing, the newest value up to there, and the records until there. */
  upTo(): { batch: number; newest: Position | null; records: number };
  newest(): Position | null;
  /** A batch had an earlier value than one before it. */
  isUnordered(): boolean;
  odd(): OddCursors[];
  outside(): number;
  /** Forgets all, for another reading. */
  restart(): void;
}

export function followCursor(stream: StreamDefinition, { plan, now }: { plan: LoadPlan; now: Date }): Reach {
  const { cursor } = stream;
  const watch =
    cursor === undefined ? null : watchCursors({ stream, cursor, range: plan.range, known: plan.known, now });
  const waiting = new Map<number, Omit<Watched, "records"> & { records: number }>();
  let upTo = { batch: 0, newest: null as Position | null, records: 0 };
  let newest: Position | null = null;
  let isUnordered = false;
  const advance = () => {
    for (let next = waiting.get(upTo.batch + 1); next !== undefined; next = waiting.get(upTo.batch + 1)) {
      waiting.delete(upTo.batch + 1);
      if (next.lowest !== null && upTo.newest !== null && next.lowest.order < upTo.newest.order)
        isUnordered = true;
      upTo = {
        batch: upTo.batch + 1,
        newest: later(upTo.newest, next.highest),
        records: upTo.records + next.records,
      };
    }
  };
  return {
    take: ({ number, records }, most) => {
      const watched = watch?.look(records, most) ?? {
        records: records.slice(0, most),
        lowest: null,
        highest: null,
      };
      newest = later(newest, watched.highest);
      const taken = watched.records;
      waiting.set(number, { ...watched, records: taken.length });
      advance();
      return taken;
    },
    upTo: () => upTo,
    newest: () => newest,
    isUnordered: () => isUnordered,
    odd: () => watch?.odd() ?? [],
    outside: () => watch?.outside() ?? 0,
    restart: () => {
      waiting.clear();
      upTo = { batch: 0, newest: null, records: 0 };
      newest = null;
      watch?.restart();
    },
  };
}
