import type { ReadOutcome } from "../reader.ts";
import { changingError, checkComplete } from "./page-errors.ts";
import type { PagePlace } from "./paging.ts";
import { checkUnmoved, readPage, takeKept } from "./read-page.ts";
import { type Reading, type RestReadJob, SourceChanged, startReading } from "./reading.ts";

const MAX_READINGS = 3;

/**
 * Reads a list to its end, page by page, from the start again when it changes meanwhile.
 * `restart` is called before each reading. What it resolves with is of the last one.
 */
export async function readStream(
  job: RestReadJob,
  events: { restart(): Promise<void>; onChange(change: SourceChanged): void },
): Promise<ReadOutcome> {
  for (let attempt = 1; ; attempt++) {
    await events.restart();
    const list = attempt === 1 && job.paging.kind === "numbered" ? (job.createPageList?.() ?? null) : null;
    const reading = startReading(job, { isSequential: attempt > 1 || job.paging.kind !== "numbered", list });
    try {
      await readAll(reading);
      const pageList = reading.hasGrown ? null : list?.end(reading.pages);
      return { pages: reading.pages, total: reading.total, ...(pageList ? { pageList } : {}) };
    } catch (error) {
      if (!(error instanceof SourceChanged)) throw error;
      if (attempt >= MAX_READINGS) throw changingError(reading, error, attempt);
      events.onChange(error);
    } finally {
      await list?.close();
    }
  }
}

const FIRST: PagePlace = { number: 1, offset: 0, mark: null };

async function readAll(reading: Reading): Promise<void> {
  const { job, isSequential } = reading;
  const first = await readPage(reading, FIRST, job.signal);
  if (first.isLast) return endReading(reading);
  if (job.paging.kind === "chained") await readChain(reading, first.next);
  else if (first.count > 0) {
    const isParallel = !isSequential && reading.total !== null && job.limit === null;
    if (isParallel) await readParallel(reading);
    await readSequential(reading, isParallel ? reading.lastPage + 1 : 2);
  }
  await endReading(reading);
  await checkUnmoved(reading);
}

async function endReading(reading: Reading): Promise<void> {
  const { list, pages } = reading;
  // Fewer pages than before.
  if (list?.isSame() === true && list.end(pages)?.isUnchanged !== true) await takeKept(reading);
  checkComplete(reading);
}

/** From page to page, until one names no next. */
async function readChain(reading: Reading, second: PagePlace["mark"]): Promise<void> {
  let mark = second;
  for (let number = 2; mark !== null; number++) {
    const place = { number, offset: reading.received, mark };
    ({ next: mark } = await readPage(reading, place, reading.job.signal));
  }
}

/** Until as many records came as were announced, and beyond the announced pages if need be; at last to an empty page. */
async function readSequential(reading: Reading, from: number): Promise<void> {
  const { isByOffset } = reading.job.paging;
  for (let number = from; ; number++) {
    const isBeyond = isByOffset || number > reading.lastPage;
    if (isBeyond && reading.received === reading.total) return;
    const place = { number, offset: reading.received, mark: null };
    if ((await readPage(reading, place, reading.job.signal)).count === 0) return;
  }
}

/** Pages 2 to the last, so many at once as the host may be asked. Settles only when no page is under way. */
async function readParallel(reading: Reading): Promise<void> {
  const { job, lastPage, step } = reading;
  const stop = new AbortController();
  const signal = AbortSignal.any([job.signal, stop.signal]);
  let next = 2;
  const work = async () => {
    try {
      while (next <= lastPage) {
        const number = next++;
        await readPage(reading, { number, offset: (number - 1) * step, mark: null }, signal);
      }
    } catch (error) {
      stop.abort(error);
    }
  };
  await Promise.all(Array.from({ length: Math.min(job.settings.concurrency, lastPage - 1) }, work));
  job.signal.throwIfAborted();
  stop.signal.throwIfAborted();
}
