import type { ReadOutcome } from "../reader.ts";
import {
  changingError,
  checkComplete,
  checkUnmoved,
  type Reading,
  type RestReadJob,
  readPage,
  SourceChanged,
  startReading,
} from "./reading.ts";

const MAX_READINGS = 3;

/**
 * Reads a stream to its end, page by page, from the start again when the list changes meanwhile.
 * `restart` is called before each reading. What it resolves with is of the last one.
 */
export async function readStream(
  job: RestReadJob,
  events: { restart(): Promise<void>; onChange(change: SourceChanged): void },
): Promise<ReadOutcome> {
  for (let attempt = 1; ; attempt++) {
    await events.restart();
    const reading = startReading(job, attempt > 1);
    try {
      await readAll(reading);
      return { pages: reading.pages, total: reading.total };
    } catch (error) {
      if (!(error instanceof SourceChanged)) throw error;
      if (attempt >= MAX_READINGS) throw changingError(reading, error, attempt);
      events.onChange(error);
    }
  }
}

async function readAll(reading: Reading): Promise<void> {
  const { job, isSequential } = reading;
  if ((await readPage(reading, 1, job.signal)) > 0) {
    const isParallel = !isSequential && reading.total !== null;
    if (isParallel) await readParallel(reading);
    await readSequential(reading, isParallel ? reading.lastPage + 1 : 2);
  }
  checkComplete(reading);
  await checkUnmoved(reading);
}

/** Until as many records came as were announced, and beyond the announced pages if need be; at last to an empty page. */
async function readSequential(reading: Reading, from: number): Promise<void> {
  for (let number = from; ; number++) {
    const isAtEnd = number > reading.lastPage && reading.received === reading.total;
    if (isAtEnd || (await readPage(reading, number, reading.job.signal)) === 0) return;
  }
}

/** Pages 2 to the last, so many at once as the host may be asked. Settles only when no page is under way. */
async function readParallel(reading: Reading): Promise<void> {
  const { job, lastPage } = reading;
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  let next = 2;
  const work = async () => {
    try {
      while (next <= lastPage) await readPage(reading, next++, signal);
    } catch (error) {
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(job.settings.concurrency, lastPage - 1) }, work));
  job.signal.throwIfAborted();
  stop.signal.throwIfAborted();
}
