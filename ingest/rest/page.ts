import { isAscii } from "node:buffer";
import { hash } from "node:crypto";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import type { Answer } from "../http/exchange.ts";
import { elementsOf, findJsonError } from "../records/json-text.ts";
import { type Place, parsePlace, spanAt, valueAt, withValueAt } from "../records/places.ts";
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
  const found = valueAt(value, path);
  if (!Array.isArray(found)) throw notPage(place, list.safeParse(found).error?.issues[0]?.message, text);
  const document = pageDocument({ text, value }, headers);
  const canonical = canonicalRecords({ text, value }, { path, items: found });
  if (canonical !== undefined) return { ...canonical, document };
  const span = inText(text, () => spanAt(text, path));
  const records = elementsOf(text, span.start).map(({ start, end }, index) => ({
    text: text.slice(start, end),
    value: found[index],
  }));
  return { records, digest: hash("sha256", text.slice(span.start, span.end)), document };
}

/** What stands for the list while the rest of a document is written. */
const LIST = "\u0000list\u0000";

/**
 * The records of a page whose whole text is the one that JSON.stringify makes of it, as most services write it: then
 * no member is there twice, no number was rounded, and nothing has to be searched in the text. Else undefined.
 */
function canonicalRecords(
  { text, value }: { text: string; value: unknown },
  { path, items }: { path: Place; items: readonly unknown[] },
): Omit<PageContent, "document"> | undefined {
  const [head, tail, more] = JSON.stringify(withValueAt(value, path, LIST)).split(JSON.stringify(LIST));
  if (head === undefined || tail === undefined || more !== undefined) return undefined;
  const first = items.length > 0 ? JSON.stringify(items[0]) : "]";
  // Tells at once where a text is written with spaces or other numbers.
  if (!text.startsWith(`${head}[${first}`)) return undefined;
  const records = items.map((item) => ({ text: JSON.stringify(item), value: item, isCanonical: true }));
  const written = `[${records.map((record) => record.text).join(",")}]`;
  if (text !== `${head}${written}${tail}`) return undefined;
  return { records, digest: hash("sha256", written) };
}

/** Without a byte order mark, if there was one. */
function decodeUtf8(body: Buffer): string {
  if (isAscii(body)) return body.toString("latin1");
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
