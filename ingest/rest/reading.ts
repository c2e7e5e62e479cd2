import { ProjectError } from "../../core/errors.ts";
import { maskUrl } from "../../core/secrets.ts";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { type BaseUrl, pageUrl } from "../http/base-url.ts";
import type { Client } from "../http/client.ts";
import type { Batch, StreamRange } from "../reader.ts";
import type { IngestSettings } from "../settings.ts";
import type { Traffic } from "../stream-result.ts";
import { type Page, parsePage } from "./page.ts";
import { rangeParameters } from "./range-parameters.ts";

const DEFAULT_PAGE_SIZE = 100;

/** What it takes to read the pages of one stream. */
export interface RestReadJob {
  client: Client;
  base: BaseUrl;
  source: string;
  pageSize: number | undefined;
  stream: RestStreamDefinition;
  range: StreamRange;
  settings: IngestSettings;
  traffic: Traffic;
  signal: AbortSignal;
  /** Called for each page, in any order. */
  onPage(page: Batch): Promise<void>;
}

/** One pass over all pages of a stream: what has been seen so far. */
export interface Reading {
  job: RestReadJob;
  /** Pages come one after another, and the list may grow meanwhile. */
  isSequential: boolean;
  /** The number of records that the latest page announced; null when it did not. */
  total: number | null;
  /** The announced number of pages: infinite when it is not known. */
  lastPage: number;
  /** Records beyond which a listing is taken for endless. */
  recordLimit: number;
  received: number;
  pages: number;
  seen: Map<string, { page: number; total: number | null }>;
  /** The announced total rose while pages were read. */
  hasGrown: boolean;
}

/** The list became another one while it was read, so that records may have slipped from page to page. */
export class SourceChanged extends Error {
  override readonly name = "SourceChanged";
}

export function startReading(job: RestReadJob, isSequential: boolean): Reading {
  const lastPage = Number.POSITIVE_INFINITY;
  const recordLimit = Number.POSITIVE_INFINITY;
  return {
    job,
    isSequential,
    total: null,
    lastPage,
    recordLimit,
    received: 0,
    pages: 0,
    seen: new Map(),
    hasGrown: false,
  };
}

/** Reads and hands on one page; resolves with the number of its records. */
export async function readPage(reading: Reading, number: number, signal: AbortSignal): Promise<number> {
  const { job } = reading;
  if (number > job.settings.maxPages) throw endlessError(reading, number);
  const page = await askPage(reading, number, signal);
  checkPlace(reading, number, page);
  followTotal(reading, page);
  reading.received += page.records.length;
  reading.pages += 1;
  if (reading.received > reading.recordLimit) throw endlessError(reading, number);
  await job.onPage({ number, lastNumber: reading.lastPage, records: page.records });
  return page.records.length;
}

async function askPage(reading: Reading, number: number, signal: AbortSignal): Promise<Page> {
  const { source, traffic, stream, client } = reading.job;
  const request = { url: urlOf(reading, number), source, stream: stream.name, page: number, traffic, signal };
  return client.read(request, parsePage);
}

function urlOf({ job }: Reading, page: number): URL {
  const url = pageUrl(job.base, job.stream.path, { page, size: job.pageSize ?? DEFAULT_PAGE_SIZE });
  const range = rangeParameters(job.stream.cursor, job.range);
  for (const [name, value] of Object.entries(range)) url.searchParams.set(name, value);
  return url;
}

function checkPlace(reading: Reading, number: number, page: Page): void {
  if (page.page !== null && page.page !== number) {
    throw pageError(reading, number, {
      code: "PAGE_WRONG",
      what: `the answer says that it is page ${page.page}`,
      why: "pages that cannot be told apart would be landed twice or not at all",
      hint: "see whether the service, or a cache before it, heeds the parameter page",
    });
  }
  if (page.records.length === 0) return;
  const earlier = reading.seen.get(page.digest);
  // In a list that grew by a whole page meanwhile, the same records rightly come again.
  if (earlier !== undefined && earlier.total === page.total) {
    throw pageError(reading, number, {
      code: "PAGE_REPEATED",
      what: `it holds the same records as page ${earlier.page}`,
      why: "a listing that repeats itself has no end",
      hint: "see whether the service, or a cache before it, heeds the parameter page",
    });
  }
  reading.seen.set(page.digest, { page: number, total: page.total });
}

/**
 * Asks for the first page once more: when records left its head and others came while pages were read, the total
 * may be the same and yet records have slipped from page to page. Throws SourceChanged.
 */
export async function checkUnmoved(reading: Reading): Promise<void> {
  // Read in order, a list that grows loses nothing; and a single page is of one moment.
  if (reading.hasGrown || reading.pages < 2) return;
  const page = await askPage(reading, 1, reading.job.signal);
  if (reading.seen.get(page.digest)?.page !== 1) throw new SourceChanged("page 1 became another one");
}

function followTotal(reading: Reading, page: Page): void {
  const isFirst = reading.pages === 0;
  const { total } = page;
  if (!isFirst && total !== reading.total) {
    const isGrowth = total === null || reading.total === null || total > reading.total;
    reading.hasGrown = true;
    if (!reading.isSequential || !isGrowth) {
      throw new SourceChanged(`the announced total went from ${reading.total} to ${total}`);
    }
  }
  if (total === null || total === reading.total) return;
  reading.total = total;
  // A server that allows fewer records a page than were asked for says so, or shows it.
  const size = page.size || page.records.length || 1;
  reading.lastPage = Math.max(Math.ceil(total / size), page.pages ?? 0);
  if (reading.lastPage > reading.job.settings.maxPages) throw endlessError(reading, reading.lastPage);
  if (isFirst) reading.recordLimit = GROWTH_FACTOR * total + GROWTH_RECORDS;
}

/** A list that has more than doubled while it was read, and by far, is not growing: it has no end. */
const GROWTH_FACTOR = 2;
const GROWTH_RECORDS = 1000;

function endlessError(reading: Reading, number: number): ProjectError {
  const { maxPages } = reading.job.settings;
  const isBySetting = number > maxPages;
  return pageError(reading, number, {
    code: "PAGES_ENDLESS",
    what: isBySetting
      ? `that is beyond the ${maxPages} pages that a stream may have`
      : "the listing goes on far beyond the end that its first page announced",
    why: `${reading.received} records were received so far, and the listing goes on`,
    hint: isBySetting
      ? "if there really are so many, raise ingest: max_pages in project.yml"
      : "see whether the service, or a cache before it, heeds the parameter page",
  });
}

/** Throws RECORDS_MISSING when the pages held fewer records than was announced. */
export function checkComplete(reading: Reading): void {
  const { total, received, pages } = reading;
  if (total === null || received >= total) return;
  throw pageError(reading, undefined, {
    code: "RECORDS_MISSING",
    what: `${received} of ${total} announced records came`,
    why: `${pages} pages were read to the end, and the announced total stayed the same`,
    hint: "run again; if it stays so, the service counts records that it does not list",
  });
}

export function changingError(reading: Reading, change: SourceChanged, readings: number): ProjectError {
  return pageError(reading, undefined, {
    code: "SOURCE_CHANGING",
    what: `the list kept changing while it was read, ${readings} times`,
    why: `in the last reading ${change.message}, so that records may have slipped from page to page`,
    hint: "run again when the service is quieter",
  });
}

interface PageFault {
  code: string;
  what: string;
  why: string;
  hint: string;
}

function pageError(reading: Reading, number: number | undefined, fault: PageFault): ProjectError {
  const { source, stream } = reading.job;
  const place = number === undefined ? "" : `, page ${number}`;
  return new ProjectError(fault.code, {
    message: `${source}.${stream.name}${place}: ${fault.what}`,
    where: maskUrl(urlOf(reading, number ?? 1)),
    why: [`${fault.why}; nothing of this stream was changed`],
    hint: fault.hint,
  });
}
