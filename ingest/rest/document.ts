import { z } from "zod";
import type { TotalPlace } from "../../core/sillon.ts";
import { AttemptFailure } from "../http/failure.ts";
import type { AnswerHeaders } from "../http/raw-fetch.ts";
import { excerpt } from "../http/status.ts";
import { parsePlace, RepeatedMember, spanAt, valueAt } from "../records/places.ts";
import type { Written } from "./request.ts";

/** What stands in an answer beside its records. Everything throws AttemptFailure (API_BODY_MALFORMED). */
export interface PageDocument {
  /** A number of things; null when there is nothing, or null. */
  count(place: string): number | null;
  /** The announced total; null when there is none. */
  total(place: TotalPlace | undefined): number | null;
  /** What is to be given back: a text or number, as it stands there. Null, "", false and nothing are none. */
  mark(place: string): Written | null;
  flag(place: string): boolean | null;
}

const count = z.number().int().nonnegative().nullable().default(null);
const flag = z.boolean().nullable().default(null);
const mark = z.union([z.string(), z.number(), z.literal(false), z.null()], {
  error: "expected a text or a number",
});

/** A document in JSON with its text, or an answer that has nothing but records. */
export function pageDocument(
  content: { text: string; value: unknown } | null,
  headers: AnswerHeaders,
): PageDocument {
  const read = <T>(schema: z.ZodType<T>, place: string): T => {
    const parsed = schema.safeParse(valueAt(content?.value, parsePlace(place)));
    if (parsed.success) return parsed.data;
    throw notPage(place, parsed.error.issues[0]?.message, content?.text ?? "");
  };
  return {
    count: (place) => read(count, place),
    flag: (place) => read(flag, place),
    total: (place) => {
      if (place === undefined || (content === null && typeof place === "string")) return null;
      return typeof place === "string" ? read(count, place) : headerCount(headers, place.header);
    },
    mark: (place) => {
      const value = read(mark.optional(), place);
      if (typeof value === "string")
        return value === "" ? null : { text: value, json: JSON.stringify(value) };
      if (typeof value !== "number" || content === null) return null;
      // JSON.parse rounds big numbers.
      const { start, end } = inText(content.text, () => spanAt(content.text, parsePlace(place)));
      const text = content.text.slice(start, end);
      return { text, json: text };
    },
  };
}

function headerCount(headers: AnswerHeaders, name: string): number | null {
  const text = headers.get(name);
  if (text === null || /^\s*\*?\s*$/.test(text)) return null;
  if (/^\s*\d+\s*$/.test(text)) return Number(text);
  throw notPage(name, `expected a number, received ${JSON.stringify(text)}`, "");
}

/** A member that is there twice is told where it is. */
export function inText<T>(text: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof RepeatedMember)) throw error;
    throw malformed(`the answer has two members "${error.member}"`, text, error.position);
  }
}

export function notPage(place: string, message = "", text = ""): AttemptFailure {
  const said = message.replace(/^Invalid input: /, "");
  return malformed(`the answer is not a page: ${place === "" ? "" : `"${place}": `}${said}`, text, 0);
}

export function malformed(what: string, text: string, position: number): AttemptFailure {
  const isAtEnd = position >= text.length;
  const shownFrom = isAtEnd ? Math.max(0, text.length - 40) : position;
  const found = isAtEnd ? `the text ends there, with` : "there it reads";
  return new AttemptFailure(what, {
    code: "API_BODY_MALFORMED",
    isRetryable: true,
    detail:
      text === ""
        ? undefined
        : `at character ${position} of ${text.length}; ${found} ${excerpt(text, shownFrom)}`,
  });
}
