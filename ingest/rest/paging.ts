import LinkHeader from "http-link-header";
import type { Pagination } from "../../core/sillon.ts";
import type { BaseUrl } from "../http/base-url.ts";
import type { Answer } from "../http/exchange.ts";
import { AttemptFailure } from "../http/failure.ts";
import { checkTarget, type TargetRules } from "../http/target.ts";
import type { PageDocument } from "./document.ts";
import { type RestRequest, setAddress, setValue, type Written } from "./request.ts";

/** Which page a request is for. */
export interface PagePlace {
  /** From 1 on. */
  number: number;
  /** Records before it. */
  offset: number;
  /** What the page before said of it. */
  mark: Written | null;
}

/** What an answer says of itself and of the list; null what it does not say. */
export interface Listing {
  total: number | null;
  page: number | null;
  size: number | null;
  pages: number | null;
  /** Where its first record is in the list. */
  offset: number | null;
  /** Of the next page. */
  next: Written | null;
  /** No page follows, whatever the form of paging. */
  isLast: boolean;
}

/** A form of paging. */
export interface Paging {
  /** `numbered` pages can be asked for in any order, `chained` ones one after another, `single` is one. */
  kind: "numbered" | "chained" | "single";
  /** Records lie where the number of those before them says: each page must be full. */
  isByOffset: boolean;
  /** Statuses that this form answers with besides those of success. */
  accepted: readonly number[];
  /** Puts the place of a page into a request. */
  place(request: RestRequest, place: PagePlace): void;
  /** Throws AttemptFailure. */
  read(document: PageDocument, answer: Answer, request: RestRequest): Listing;
}

export interface PagingParts {
  base: BaseUrl;
  /** Where links to next pages may lead. */
  rules: TargetRules;
  pageSize: number;
  /** The answers are fastapi-pagination's, and what they say of themselves is checked. */
  isUsual: boolean;
}

const UNKNOWN: Listing = {
  total: null,
  page: null,
  size: null,
  pages: null,
  offset: null,
  next: null,
  isLast: false,
};

const NUMBERED = { kind: "numbered", isByOffset: false, accepted: [] } as const;
const CHAINED = { kind: "chained", isByOffset: false, accepted: [] } as const;

export function pagingOf(pagination: Pagination, parts: PagingParts): Paging {
  switch (pagination.type) {
    case "page":
      return byPage(pagination, parts);
    case "offset":
      return byOffset(pagination, parts);
    case "cursor":
      return byCursor(pagination);
    case "link":
      return {
        ...CHAINED,
        place: (request, { mark }) => placeAddress(request, mark, parts.base),
        read: (document, answer, request) => {
          const { total = undefined } = pagination;
          const link = linkIn(answer.headers.get("link"));
          return { ...UNKNOWN, total: document.total(total), next: addressOf(link, request, parts.rules) };
        },
      };
    case "next_url":
      return {
        ...CHAINED,
        place: (request, { mark }) => placeAddress(request, mark, parts.base),
        read: (document, _answer, request) => {
          const next = document.mark(pagination.next);
          return {
            ...UNKNOWN,
            total: document.total(pagination.total),
            next: addressOf(next?.text, request, parts.rules),
          };
        },
      };
    case "range":
      return byRange(pagination, parts);
    case "single":
      return {
        kind: "single",
        isByOffset: false,
        accepted: [],
        place: () => {},
        read: () => ({ ...UNKNOWN, isLast: true }),
      };
  }
}

/** The headers by which an answer of numbered pages says something of the list. */
export function listHeaders(pagination: Pagination | undefined): string[] {
  const total = pagination !== undefined && "total" in pagination ? pagination.total : undefined;
  const named = typeof total === "object" ? [total.header.toLowerCase()] : [];
  return pagination?.type === "range" ? ["content-range", ...named] : named;
}

type Form<T extends Pagination["type"]> = Extract<Pagination, { type: T }>;

const written = (number: number): Written => ({ text: String(number), json: String(number) });

function byPage(pagination: Form<"page">, { pageSize, isUsual }: PagingParts): Paging {
  const { parameter = "page", sizeParameter = "size", first = 1, total = "total", sendIn } = pagination;
  return {
    ...NUMBERED,
    place: (request, { number }) => {
      setValue(request, { name: parameter, value: written(first + number - 1), sendIn });
      setValue(request, { name: sizeParameter, value: written(pageSize), sendIn });
    },
    read: (document) => {
      const said = (member: string) => (isUsual ? document.count(member) : null);
      const page = said("page");
      return {
        ...UNKNOWN,
        total: document.total(total),
        page: page === null ? null : page - first + 1,
        size: said("size"),
        pages: said("pages"),
      };
    },
  };
}

function byOffset(pagination: Form<"offset">, { pageSize }: PagingParts): Paging {
  const { parameter = "offset", limitParameter = "limit", total = "total", sendIn } = pagination;
  return {
    ...NUMBERED,
    isByOffset: true,
    place: (request, { offset }) => {
      setValue(request, { name: parameter, value: written(offset), sendIn });
      setValue(request, { name: limitParameter, value: written(pageSize), sendIn });
    },
    read: (document) => ({ ...UNKNOWN, total: document.total(total) }),
  };
}

function byCursor({ next, in: where, parameter: name, sendIn, more, total }: Form<"cursor">): Paging {
  return {
    ...CHAINED,
    place: (request, { mark }) => {
      if (mark !== null) setValue(request, { name, value: mark, sendIn });
    },
    read: (document, answer) => {
      const isLast = more !== undefined && document.flag(more) === false;
      const inHeader = () => {
        const text = answer.headers.get(next) ?? "";
        return text === "" ? null : { text, json: JSON.stringify(text) };
      };
      const mark = where === "header" ? inHeader() : document.mark(next);
      return { ...UNKNOWN, total: document.total(total), next: isLast ? null : mark };
    },
  };
}

const CONTENT_RANGE = /^\s*(\S+)\s+(?:(\d+)-(\d+)|\*)\/(\d+|\*)\s*$/;
/** The range begins beyond the end: an empty page. */
const RANGE_NOT_SATISFIABLE = 416;

function byRange({ unit = "items" }: Form<"range">, { pageSize }: PagingParts): Paging {
  return {
    ...NUMBERED,
    isByOffset: true,
    accepted: [RANGE_NOT_SATISFIABLE],
    place: (request, { offset }) => {
      request.headers.range = `${unit}=${offset}-${offset + pageSize - 1}`;
    },
    read: (_document, answer) => {
      const header = answer.headers.get("content-range");
      // Whoever does not know ranges answers with the whole list.
      if (header === null && answer.status === 200) return { ...UNKNOWN, isLast: true, offset: 0 };
      const [, , from, , total] = CONTENT_RANGE.exec(header ?? "") ?? [];
      if (total === undefined) throw wrongRange(answer.status, header);
      return {
        ...UNKNOWN,
        total: total === "*" ? null : Number(total),
        offset: from === undefined ? null : Number(from),
      };
    },
  };
}

function wrongRange(status: number, header: string | null): AttemptFailure {
  const said = header === null ? "without content-range" : `with the content-range ${JSON.stringify(header)}`;
  return new AttemptFailure(`the server answered ${status} ${said}`, {
    code: "API_BODY_MALFORMED",
    isRetryable: true,
    detail: 'expected one such as "items 0-99/250"',
    hint: "see in the service's documentation which unit its ranges have, or how else it pages",
  });
}

function linkIn(header: string | null): string | undefined {
  if (header === null || header.trim() === "") return undefined;
  try {
    const links = LinkHeader.parse(header).refs;
    return links.find(({ rel }) => rel.toLowerCase().split(/\s+/).includes("next"))?.uri;
  } catch (cause) {
    throw new AttemptFailure("the header link cannot be read", {
      code: "API_BODY_MALFORMED",
      isRetryable: true,
      cause,
    });
  }
}

/** An address may be written in several ways, and leads where requests may go. */
function addressOf(text: string | undefined, request: RestRequest, rules: TargetRules): Written | null {
  if (text === undefined) return null;
  if (!URL.canParse(text, request.url.href)) {
    throw new AttemptFailure("the address of the next page cannot be read", {
      code: "API_BODY_MALFORMED",
      isRetryable: true,
    });
  }
  const address = new URL(text, request.url);
  checkTarget(address, rules);
  return { text: address.href, json: JSON.stringify(address.href) };
}

function placeAddress(request: RestRequest, mark: Written | null, base: BaseUrl): void {
  if (mark !== null) setAddress(request, new URL(mark.text), base);
}
