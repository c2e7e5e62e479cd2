import type { ReadJob } from "./reader.ts";
import type { RawRecord } from "./records/raw-record.ts";

const BATCH_RECORDS = 1000;
/** A batch of long records is handed on earlier. */
const BATCH_CHARACTERS = 4_000_000;

/** Collects records into batches, so that only one batch of each collector is in memory. */
export interface Collector {
  /** Undefined when the record only joined the others; else over when their batch was taken. */
  add(record: RawRecord): Promise<void> | undefined;
  /** Hands on what is left. */
  flush(): Promise<void>;
}

/** The batches of one reading, numbered as they are handed on. */
export interface Batches {
  collector(): Collector;
  /** Of the latest batch; 0 before the first. */
  lastNumber(): number;
  records(): number;
}

export function createBatches(job: ReadJob, size = BATCH_RECORDS): Batches {
  let number = 0;
  let count = 0;
  const collector = (): Collector => {
    let records: RawRecord[] = [];
    let characters = 0;
    const flush = async () => {
      if (records.length === 0) return;
      const full = records;
      records = [];
      characters = 0;
      count += full.length;
      number += 1;
      await job.onBatch({ number, lastNumber: Number.POSITIVE_INFINITY, records: full });
    };
    const add = (record: RawRecord) => {
      records.push(record);
      characters += record.text.length;
      return records.length >= size || characters >= BATCH_CHARACTERS ? flush() : undefined;
    };
    return { add, flush };
  };
  return { collector, lastNumber: () => number, records: () => count };
}
