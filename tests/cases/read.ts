import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { createContext } from "../../core/context.ts";
import { openDuckdbReadOnly } from "../../engines/duckdb.ts";
import type { Value } from "../../engines/engine.ts";

/** The rows of a query on a database file, through the read-only engine that `run show` reads with. */
export async function readRows(file: string, sql: string): Promise<Value[][]> {
  const ctx = createContext({ projectDir: dirname(file), env: {}, sink: () => {} });
  const engine = await openDuckdbReadOnly(ctx, file);
  try {
    const session = await engine.openSession();
    return (await session.query(sql)).rows;
  } finally {
    engine.close();
  }
}

export interface Reads {
  count: number;
  /** Reads that failed, by their message. */
  missing: string[];
  rows: Value[][][];
}

/** Reads again and again, `everyMs` apart, until `stop`; each read opens the file anew, as a new reader does. */
export function readAlong(file: string, sql: string, everyMs: number): { stop(): Promise<Reads> } {
  const reads: Reads = { count: 0, missing: [], rows: [] };
  let isStopped = false;
  const reading = (async () => {
    while (!isStopped) {
      try {
        if (!existsSync(file)) throw new Error("there is no latest release");
        reads.rows.push(await readRows(file, sql));
      } catch (error) {
        reads.missing.push(String(error));
      }
      reads.count++;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  return {
    stop: async () => {
      isStopped = true;
      await reading;
      return reads;
    },
  };
}
