import type { StreamDefinition } from "../../core/sillon.ts";
import type { Session } from "../../engines/engine.ts";
import { type PackedRows, packRows } from "../../engines/packed-rows.ts";
import { emptyTally, mergeTally, type Tally, tallyFor } from "../contract/tally.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { type Candidate, judgeRecord } from "../records/record.ts";
import type { RowFetch, RowLines, RowTypes } from "../records/row-types.ts";
import { fetchRows, judgeFetched } from "./row-fetch.ts";
import { judgeLines, landLines, widenForLines } from "./row-lines.ts";

/** Where the records of a load wait, out of sight, until all have come. */
export interface Landing {
  /** Its name for SQL. */
  table: string;
  /** Forgets what has come. */
  restart(): Promise<void>;
  add(pageNumber: number, records: readonly RawRecord[]): Promise<void>;
  /** Rows that the engine cuts and judges by itself; a load has either these or records. Returns how many came. */
  addLines(lines: RowLines): Promise<number>;
  /** All rows of a load, that the engine fetches; it has no others. Returns how many came. */
  addFetched(fetch: RowFetch): Promise<number>;
  /** After this the table holds everything that was added. */
  flush(): Promise<void>;
  /** What is known of all that was added and not taken yet, or of the pages up to one. */
  takeTally(lastPage: number | null): Tally;
}

/** Enough to keep the engine busy, little enough that many streams fit into memory. */
const BATCH_ROWS = 4096;
const BATCH_BYTES = 4_000_000;

export async function createLanding(
  session: Session,
  stream: StreamDefinition,
  { inParts }: { inParts: boolean },
): Promise<Landing> {
  let waiting: PackedRows[] = [];
  let [rowCount, sizeBytes] = [0, 0];
  const count = tallyFor(stream);
  /** By page only where some pages are taken before others. */
  let tallies = new Map<number, Tally>();
  /** Of lines that are not judged yet. */
  let rowTypes: RowTypes | null = null;
  let fetched: RowFetch | null = null;
  let landed: Promise<void> = Promise.resolve();
  const create = () =>
    session.createLandingTable(`${stream.name}_landed`, {
      page: "integer",
      position: "integer",
      key: "text",
      hash: "text",
      updated_at: "text",
      reason: "text",
      record: "text",
    });
  const table = await create();
  const take = () => {
    const rows = waiting;
    waiting = [];
    rowCount = 0;
    sizeBytes = 0;
    return rows;
  };
  const flush = async () => {
    const rows = take();
    if (rows.length > 0) landed = landed.then(() => session.land(table, rows));
    await landed;
    if (fetched !== null) tallies.set(0, await judgeFetched({ session, stream, table }, fetched));
    fetched = null;
    if (rowTypes === null) return;
    tallies.set(0, await judgeLines({ session, stream, table }, rowTypes));
    rowTypes = null;
  };
  return {
    table,
    flush,
    restart: async () => {
      take();
      tallies = new Map();
      rowTypes = null;
      fetched = null;
      await session.run(`drop view if exists ${table}`).catch(() => undefined);
      await create();
    },
    addFetched: async (fetch) => {
      fetched = fetch;
      return fetchRows({ session, stream, table }, fetch);
    },
    takeTally: (lastPage) => {
      const taken = emptyTally();
      for (const [page, tally] of tallies) {
        if (lastPage !== null && page > lastPage) continue;
        mergeTally(taken, tally);
        tallies.delete(page);
      }
      return taken;
    },
    addLines: async (lines) => {
      if (rowTypes === null) landed = landed.then(() => widenForLines(session, table));
      rowTypes = lines.types;
      const landing = landed.then(() => landLines({ session, stream, table }, lines));
      landed = landing.then(() => undefined);
      return landing;
    },
    add: async (pageNumber, records) => {
      const place = inParts ? pageNumber : 0;
      const tally = tallies.get(place) ?? emptyTally();
      tallies.set(place, tally);
      const candidates = records.map((record, index) => {
        const candidate = judgeRecord(stream, record);
        count(tally, { candidate, record, page: pageNumber, position: index + 1 });
        return candidate;
      });
      const rows = packCandidates(pageNumber, candidates);
      waiting.push(rows);
      rowCount += rows.rowCount;
      sizeBytes += rows.sizeBytes;
      if (rowCount >= BATCH_ROWS || sizeBytes >= BATCH_BYTES) await flush();
    },
  };
}

function packCandidates(page: number, candidates: readonly Candidate[]): PackedRows {
  return packRows([
    candidates.map(() => page),
    candidates.map((_, index) => index + 1),
    candidates.map(({ key }) => key),
    candidates.map(({ hash }) => hash),
    candidates.map(({ updatedAt }) => updatedAt),
    candidates.map(({ reason }) => reason),
    candidates.map(({ text }) => text),
  ]);
}
