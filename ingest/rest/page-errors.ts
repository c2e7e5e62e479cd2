import { ProjectError } from "../../core/errors.ts";
import { maskUrl } from "../../core/secrets.ts";
import type { Reading, SourceChanged } from "./reading.ts";

export interface PageFault {
  code: string;
  what: string;
  why: string;
  hint: string;
}

/** A fault of a list, or of one of its pages. Marks of pages may be secrets: none is shown. */
export function pageError({ job }: Reading, number: number | undefined, fault: PageFault): ProjectError {
  const { source, stream, parent, paging } = job;
  const list = `${source}.${stream.name}${parent === undefined ? "" : ` of ${parent}`}`;
  const place = number === undefined ? "" : `, page ${number}`;
  const request = job.request();
  if (paging.kind === "numbered") paging.place(request, { number: number ?? 1, offset: 0, mark: null });
  return new ProjectError(fault.code, {
    message: `${list}${place}: ${fault.what}`,
    where: maskUrl(request.url),
    why: [`${fault.why}; nothing of this stream was changed`],
    hint: fault.hint,
  });
}

export function endlessError(reading: Reading, number: number): ProjectError {
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
      : "see whether the service, or a cache before it, heeds the place that is asked for",
  });
}

/** Throws RECORDS_MISSING when the pages held fewer records than was announced, unless the contract says how many may be. */
export function checkComplete(reading: Reading): void {
  const { total, received, pages, job } = reading;
  if (job.stream.contract?.rows?.announced !== undefined) return;
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
