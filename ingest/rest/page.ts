import { hash } from "node:crypto";
import { z } from "zod";
import { AttemptFailure } from "../http/failure.ts";
import { excerpt } from "../http/status.ts";
import { elementsOf, findJsonError, membersOf, skipSpace } from "../records/json-text.ts";
import type { RawRecord } from "../records/raw-record.ts";

/** One answer of a listing. What it does not say of itself is null. */
export interface Page {
  records: RawRecord[];
  total: number | null;
  page: number | null;
  size: number | null;
  pages: number | null;
  /** Equal for pages with the same list of records. */
  digest: string;
}

const count = z.number().int().nonnegative().nullable().default(null);
const envelope = z.object({
  items: z.array(z.unknown()),
  total: count,
  page: count,
  size: count,
  pages: count,
});

/** Throws AttemptFailure (API_BODY_MALFORMED) for anything that is not a whole page. */
export function parsePage(body: Buffer): Page {
  const text = decodeUtf8(body);
  const { items, ...listing } = parseEnvelope(text);
  const members = membersOf(text, skipSpace(text, 0));
  const [list, second] = members.filter((member) => member.name === "items");
  if (list === undefined || second !== undefined) {
    throw malformed('the answer has two members "items"', text, second?.start ?? 0);
  }
  const records = elementsOf(text, list.start).map(({ start, end }, index) => ({
    text: text.slice(start, end),
    value: items[index],
  }));
  return { records, ...listing, digest: hash("sha256", text.slice(list.start, list.end)) };
}

/** Without a byte order mark, if there was one. */
function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch {
    const text = body.toString("utf8");
    throw malformed("the answer is not UTF-8", text, Math.max(0, text.indexOf("\uFFFD")));
  }
}

function parseEnvelope(text: string): z.infer<typeof envelope> {
  if (text.trim() === "") throw malformed("the answer is empty", text, 0);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw malformed("the answer is not JSON", text, findJsonError(text));
  }
  const parsed = envelope.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = issue?.path.length ? `"${issue.path.join(".")}": ` : "";
  const said = issue?.message.replace(/^Invalid input: /, "") ?? "";
  throw malformed(`the answer is not a page: ${place}${said}`, text, 0);
}

function malformed(what: string, text: string, position: number): AttemptFailure {
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
