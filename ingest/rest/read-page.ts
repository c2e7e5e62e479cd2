import { hash } from "node:crypto";
import type { Answer } from "../http/exchange.ts";
import type { Batch } from "../reader.ts";
import { pageDocument } from "./document.ts";
import { parsePage } from "./page.ts";
import { endlessError, pageError } from "./page-errors.ts";
import type { PageList, SameAnswer } from "./page-list.ts";
import type { Listing, PagePlace } from "./paging.ts";
import { type Reading, SourceChanged } from "./reading.ts";
import { bodyText, type RestRequest } from "./request.ts";

/** A page that was handed on. */
export interface PageRead {
  count: number;
  /** Where the next one is, when the answer says so. */
  next: PagePlace["mark"];
  isLast: boolean;
}

/** Reads and hands on one page. */
export async function readPage(reading: Reading, place: PagePlace, signal: AbortSignal): Promise<PageRead> {
  const { number } = place;
  if (number > reading.job.settings.maxPages) throw endlessError(reading, number);
  const asked = await askPage(reading, place, signal);
  if (!("answer" in asked)) return takePage(reading, place, asked);
  if (reading.list?.isSame() !== true) return takePage(reading, place, pageOf(reading, asked));
  return keepPage(reading, reading.list, asked);
}

/** A page of the load before is only counted, as long as all are. */
async function keepPage(reading: Reading, list: PageList, asked: SameAnswer): Promise<PageRead> {
  const { number } = asked.place;
  const count = list.countOf(number);
  reading.received += count;
  reading.pages += 1;
  list.note(number, asked.mark, count);
  list.tell({ number, lastNumber: reading.lastPage, records: count, isHandedOn: false });
  if (!(await list.keep(asked))) await takeKept(reading);
  return { count, next: null, isLast: false };
}

/** The list is not the one of the load before: what was kept aside is handed on after all. */
export async function takeKept(reading: Reading): Promise<void> {
  const { list } = reading;
  if (list?.differ() !== true) return;
  for await (const asked of list.kept()) {
    const { number } = asked.place;
    const records = list.countOf(number);
    reading.received -= records;
    reading.pages -= 1;
    list.tell({ number, lastNumber: reading.lastPage, records, isHandedOn: true });
    await takePage(reading, asked.place, pageOf(reading, asked));
  }
}

async function takePage(reading: Reading, place: PagePlace, page: Page): Promise<PageRead> {
  const { job, list } = reading;
  const { number } = place;
  if (list?.isSame() === true && (page.mark === null || !list.isFormer(number, page.mark)))
    await takeKept(reading);
  checkPlace(reading, place, page);
  followTotal(reading, page);
  checkFull(reading, place, page);
  checkMark(reading, number, page);
  reading.received += page.records.length;
  reading.pages += 1;
  list?.note(number, page.mark, page.records.length);
  if (reading.received > reading.recordLimit) throw endlessError(reading, number);
  await job.onPage({ number, lastNumber: reading.lastPage, records: page.records });
  return { count: page.records.length, next: page.next, isLast: page.isLast };
}

interface Page extends Listing {
  records: Batch["records"];
  digest: string;
  /** What tells its answer from others, where that counts. */
  mark: Buffer | null;
}

const NOT_FOUND = 404;

/** The first page is always looked into: it says what the list is. */
async function askPage(reading: Reading, place: PagePlace, signal: AbortSignal): Promise<Page | SameAnswer> {
  const { job, list } = reading;
  const { source, traffic, stream, client, paging, parent } = job;
  const request = job.request();
  paging.place(request, place);
  const isMissingFine = stream.onMissing === "empty";
  const parse = (answer: Answer): Page | SameAnswer => {
    if (isMissingFine && answer.status === NOT_FOUND) return { ...NOTHING };
    const mark = list?.markOf(answer) ?? null;
    if (mark !== null && place.number > 1 && list?.isSame() && list.isFormer(place.number, mark))
      return { place, answer, mark };
    return parseAnswer(job, { answer, request, mark });
  };
  const { url, method, headers } = request;
  const accepted = isMissingFine ? [...paging.accepted, NOT_FOUND] : paging.accepted;
  const call = { url, method, headers, body: bodyText(request), source, stream: stream.name, parent };
  return client.read({ ...call, accepted, page: place.number, traffic, signal }, parse);
}

function parseAnswer(
  { stream, paging }: Reading["job"],
  { answer, request, mark }: { answer: Answer; request: RestRequest; mark: Buffer | null },
): Page {
  const isContent = answer.status < 300;
  const none = { records: [], digest: "", document: pageDocument(null, answer.headers) };
  const { document, ...content } = isContent ? parsePage(answer, stream) : none;
  return { ...content, mark, ...paging.read(document, answer, request) };
}

function pageOf({ job }: Reading, { place, answer, mark }: SameAnswer): Page {
  const request = job.request();
  job.paging.place(request, place);
  return parseAnswer(job, { answer, request, mark });
}

const NOTHING: Page = {
  records: [],
  digest: "",
  mark: null,
  total: null,
  page: null,
  size: null,
  pages: null,
  offset: null,
  next: null,
  isLast: true,
};

function checkPlace(reading: Reading, { number, offset }: PagePlace, page: Page): void {
  const says = [
    ...(page.page !== null && page.page !== number ? [`it is page ${page.page}`] : []),
    ...(page.offset !== null && page.offset !== offset
      ? [`it begins at ${page.offset}, not at ${offset}`]
      : []),
  ];
  if (says[0] !== undefined) {
    throw pageError(reading, number, {
      code: "PAGE_WRONG",
      what: `the answer says that ${says[0]}`,
      why: "pages that cannot be told apart would be landed twice or not at all",
      hint: HEED_HINT,
    });
  }
  if (page.records.length === 0) return;
  const earlier = reading.seen.get(page.digest);
  // In a list that grew by a whole page meanwhile, the same records rightly come again.
  if (earlier !== undefined && earlier.total === page.total) {
    throw repeatedError(reading, number, `it holds the same records as page ${earlier.page}`);
  }
  if (number === 1 && reading.head.length === 0) reading.head = fingerprints(page);
  reading.seen.set(page.digest, { page: number, total: page.total });
}

const HEED_HINT = "see whether the service, or a cache before it, heeds the place that is asked for";

function repeatedError(reading: Reading, number: number, what: string) {
  return pageError(reading, number, {
    code: "PAGE_REPEATED",
    what,
    why: "a listing that repeats itself has no end",
    hint: HEED_HINT,
  });
}

const fingerprints = ({ records }: Page) => records.map(({ text }) => hash("sha1", text, "base64"));

/** A mark that comes again leads through the same pages again. */
function checkMark(reading: Reading, number: number, { next }: Page): void {
  if (next === null) return;
  if (reading.marks.has(next.json) || reading.marks.has(next.text)) {
    throw repeatedError(reading, number, "the next page that it names was asked for before");
  }
  reading.marks.add(next.json);
}

/** Where records lie by their number, a page that is not full would leave a gap before the next one. */
function checkFull(reading: Reading, { number, offset }: PagePlace, page: Page): void {
  if (reading.isSequential || !reading.job.paging.isByOffset || reading.total === null || number === 1)
    return;
  const expected = Math.max(0, Math.min(reading.step, reading.total - offset));
  const came = page.records.length;
  if (came < expected) throw new SourceChanged(`page ${number} held ${came} of ${expected} records`);
}

/**
 * Asks for the first page once more: when records left its head and others came while pages were read, the total
 * may be the same and yet records have slipped from page to page. Throws SourceChanged.
 */
export async function checkUnmoved(reading: Reading): Promise<void> {
  // Read in order, a list that grows loses nothing; and a single page is of one moment.
  if (reading.hasGrown || reading.pages < 2) return;
  const first = { number: 1, offset: 0, mark: null };
  const page = await askPage(reading, first, reading.job.signal);
  if ("answer" in page) throw new Error("the first page was not looked into");
  if (reading.seen.get(page.digest)?.page === 1) return;
  if (reading.isSequential && isLonger(reading.head, fingerprints(page))) return;
  throw new SourceChanged("page 1 became another one");
}

/** Whether a head only got records before it. */
function isLonger(former: readonly string[], now: readonly string[]): boolean {
  const came = now.indexOf(former[0] ?? "");
  return came > 0 && now.slice(came).every((one, index) => one === former[index]);
}

function followTotal(reading: Reading, page: Page): void {
  const isFirst = reading.pages === 0;
  const { total } = page;
  if (isFirst) reading.step = page.size || page.records.length || 1;
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
