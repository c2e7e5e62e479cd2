import type { StreamDefinition } from "../../core/sillon.ts";
import type { Session } from "../../engines/engine.ts";
import { emptyTally, mergeTally, type Tally, tallyFor } from "../contract/tally.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { type Candidate, judgeRecord } from "../records/record.ts";

/** Where the records of a load wait, out of sight, until all have come. */
export interface Landing {
  /** Its name for SQL. */
  table: string;
  /** Forgets what has come. */
  restart(): Promise<void>;
  add(pageNumber: number, records: readonly RawRecord[]): Promise<void>;
  /** After this the table holds everything that was added. */
  flush(): Promise<void>;
  /** What is known of all that was added and not taken yet, or of the pages up to one. */
  takeTally(lastPage: number | null): Tally;
}

/** Enough to keep the engine busy, little enough that many streams fit into memory. */
const BATCH_ROWS = 4096;
const BATCH_CHARACTERS = 8_000_000;

type Column = (string | number | null)[];

interface Batch {
  page: Column;
  position: Column;
  key: Column;
  hash: Column;
  updated_at: Column;
  reason: Column;
  record: Column;
  characters: number;
}

function emptyBatch(): Batch {
  return {
    page: [],
    position: [],
    key: [],
    hash: [],
    updated_at: [],
    reason: [],
    record: [],
    characters: 0,
  };
}

export async function createLanding(
  session: Session,
  stream: StreamDefinition,
  { inParts }: { inParts: boolean },
): Promise<Landing> {
  let batch = emptyBatch();
  const count = tallyFor(stream);
  /** By page only where some pages are taken before others. */
  let tallies = new Map<number, Tally>();
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
  const flush = async () => {
    const { page, position, key, hash, updated_at, reason, record } = batch;
    batch = emptyBatch();
    if (page.length > 0) {
      landed = landed.then(() =>
        session.land(table, [page, position, key, hash, updated_at, reason, record]),
      );
    }
    await landed;
  };
  return {
    table,
    flush,
    restart: async () => {
      batch = emptyBatch();
      tallies = new Map();
      await create();
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
    add: async (pageNumber, records) => {
      const place = inParts ? pageNumber : 0;
      const tally = tallies.get(place) ?? emptyTally();
      tallies.set(place, tally);
      records.forEach((record, index) => {
        const candidate = judgeRecord(stream, record);
        const position = index + 1;
        count(tally, { candidate, record, page: pageNumber, position });
        append(batch, candidate, { page: pageNumber, position });
      });
      if (batch.page.length >= BATCH_ROWS || batch.characters >= BATCH_CHARACTERS) await flush();
    },
  };
}

function append(batch: Batch, candidate: Candidate, place: { page: number; position: number }): void {
  batch.page.push(place.page);
  batch.position.push(place.position);
  batch.key.push(candidate.key);
  batch.hash.push(candidate.hash);
  batch.updated_at.push(candidate.updatedAt);
  batch.reason.push(candidate.reason);
  batch.record.push(candidate.text);
  batch.characters += candidate.text.length;
}
