import type { Api } from "../../moovitamix/server.ts";
import type { StreamName, Track } from "../../moovitamix/world/records.ts";

export interface PageText {
  items: Track[];
  total: number;
  page: number;
  size: number;
  pages: number;
}

/** The text of a page, as it came. */
export async function fetchText(api: Api, target: string): Promise<string> {
  return (await fetch(`${api.url}${target}`)).text();
}

export async function fetchPage(api: Api, target: string): Promise<PageText> {
  return JSON.parse(await fetchText(api, target));
}

/** All records of a stream, by following `pages`. */
export async function fetchRecords(api: Api, stream: StreamName, size = 100): Promise<unknown[]> {
  const records: unknown[] = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const answer = await fetchPage(api, `/${stream}?page=${page}&size=${size}`);
    records.push(...answer.items);
    pages = answer.pages;
  }
  return records;
}
