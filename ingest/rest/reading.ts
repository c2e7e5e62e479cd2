import type { RestStreamDefinition } from "../../core/sillon.ts";
import type { BaseUrl } from "../http/base-url.ts";
import type { Client } from "../http/client.ts";
import type { Batch } from "../reader.ts";
import type { IngestSettings } from "../settings.ts";
import type { Traffic } from "../stream-result.ts";
import type { PageList } from "./page-list.ts";
import type { Paging } from "./paging.ts";
import type { RestRequest } from "./request.ts";

/** What it takes to read the pages of one list. */
export interface RestReadJob {
  client: Client;
  base: BaseUrl;
  source: string;
  stream: RestStreamDefinition;
  paging: Paging;
  /** What all requests for pages have in common, each time a new one. */
  request(): RestRequest;
  settings: IngestSettings;
  traffic: Traffic;
  signal: AbortSignal;
  /** Records of the load after which `onPage` ends the reading: pages are not asked for ahead of it. */
  limit: number | null;
  /** Of a child stream: the record of the parent whose list it is, for people. */
  parent: string | undefined;
  /** What tells whether the pages are those of the load before; null where that does not count. */
  createPageList: (() => PageList) | null;
  /** Called for each page, in any order. */
  onPage(page: Batch): Promise<void>;
}

/** One pass over all pages of a list: what has been seen so far. */
export interface Reading {
  job: RestReadJob;
  /** Pages come one after another, and the list may grow meanwhile. */
  isSequential: boolean;
  /** The number of records that the latest page announced; null when it did not. */
  total: number | null;
  /** Records a page that is full. */
  step: number;
  /** The announced number of pages: infinite when it is not known. */
  lastPage: number;
  /** Records beyond which a listing is taken for endless. */
  recordLimit: number;
  received: number;
  pages: number;
  seen: Map<string, { page: number; total: number | null }>;
  /** Marks of pages that were asked for, or addresses of theirs. */
  marks: Set<string>;
  /** Of the records of the first page, in order. */
  head: string[];
  /** The announced total rose while pages were read. */
  hasGrown: boolean;
  /** Of the first reading, where it counts. */
  list: PageList | null;
}

/** The list became another one while it was read, so that records may have slipped from page to page. */
export class SourceChanged extends Error {
  override readonly name = "SourceChanged";
}

export function startReading(
  job: RestReadJob,
  { isSequential, list }: Pick<Reading, "isSequential" | "list">,
): Reading {
  return {
    job,
    isSequential,
    total: null,
    step: 0,
    lastPage: Number.POSITIVE_INFINITY,
    recordLimit: Number.POSITIVE_INFINITY,
    received: 0,
    pages: 0,
    seen: new Map(),
    marks: new Set([job.request().url.href]),
    head: [],
    hasGrown: false,
    list,
  };
}
