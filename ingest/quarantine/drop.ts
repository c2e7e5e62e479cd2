import type { Context } from "../../core/context.ts";
import type { Engine } from "../../engines/engine.ts";
import { nextLoadId, writeLoad } from "../raw/loads.ts";
import { EMPTY_LOAD } from "../reset.ts";
import { eachQuarantine, type QuarantineChoice } from "./records.ts";

export interface DropResult {
  source: string;
  stream: string;
  /** Rows that went, or would go. */
  records: number;
}

/** Removes records from quarantine for good; each stream that had some gets a row in `_loads`. */
export async function dropRefused(
  ctx: Context,
  engine: Engine,
  choice: QuarantineChoice & { isDryRun: boolean },
): Promise<DropResult[]> {
  return eachQuarantine(engine, choice, (place) =>
    place.session.transaction(async () => {
      const { session, source, stream, tables, chosen } = place;
      const { rows } = await session.query(`select count(*) from ${tables.quarantine} where ${chosen}`);
      const records = Number(rows[0]?.[0]);
      if (records > 0 && !choice.isDryRun) {
        await session.run(`delete from ${tables.quarantine} where ${chosen}`);
        const now = ctx.clock.now();
        await writeLoad({ engine, session, tables, stream: stream.name }, await nextLoadId(session, tables), {
          ...EMPTY_LOAD,
          mode: "drop",
          startedAt: now,
          endedAt: now,
        });
      }
      return { source: source.name, stream: stream.name, records };
    }),
  );
}
