import { hash } from "node:crypto";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import type { Answer } from "../http/exchange.ts";
import { elementsOf, findJsonError } from "../records/json-text.ts";
import { parsePlace, spanAt, valueAt } from "../records/places.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { inText, malformed, notPage, type PageDocument, pageDocument } from "./document.ts";
import { parseCsv, parseNdjson } from "./lines.ts";

/** The records of an answer, each with its text as received, and what stands beside them. */
export interface PageContent {
  records: RawRecord[];
  /** Equal for pages with the same list of records. */
  digest: string;
  document: PageDocument;
}

const list = z.array(z.unknown());

/** Throws AttemptFailure (API_BODY_MALFORMED) for anything that is not a whole page. */
export function parsePage(
  { body, headers }: Answer,
  { format = "json", records: place = "items" }: Pick<RestStreamDefinition, "format" | "records">,
): PageContent {
  const text = decodeUtf8(body);
  if (format !== "json") {
    const records = format === "csv" ? parseCsv(text) : parseNdjson(text);
    return { records, digest: hash("sha256", text), document: pageDocument(null, headers) };
  }
  const value = parseJson(text);
  const path = parsePlace(place);
  if (path.length > 0 && (typeof value !== "object" || value === null || Array.isArray(value))) {
    throw notPage("", z.object().safeParse(value).error?.issues[0]?.message, text);
  }
  const items = list.safeParse(valueAt(value, path));
  if (!items.success) throw notPage(place, items.error.issues[0]?.message, text);
  const span = inText(text, () => spanAt(text, path));
  const records = elementsOf(text, span.start).map(({ start, end }, index) => ({
    text: text.slice(start, end),
    value: items.data[index],
  }));
  const digest = hash("sha256", text.slice(span.start, span.end));
  return { records, digest, document: pageDocument({ text, value }, headers) };
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

function parseJson(text: string): unknown {
  if (text.trim() === "") throw malformed("the answer is empty", text, 0);
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("the answer is not JSON", text, findJsonError(text));
  }
}
