import { isUtf8 } from "node:buffer";
import { elementsOf, findJsonError, membersOf, type Span, skipSpace } from "../records/json-text.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { wholeLines } from "../whole-lines.ts";
import { fileTooLarge, fileUnreadable } from "./errors.ts";
import type { FileContent } from "./parts.ts";

const BYTE_ORDER_MARK = "\uFEFF";

/** A record's text with what it holds; with the fault when it is no JSON. */
export function recordOf(text: string, place: string): RawRecord {
  try {
    return { text, value: JSON.parse(text) };
  } catch {
    return { text, value: undefined, fault: `${place}: not JSON from character ${findJsonError(text)} on` };
  }
}

/** One record a line; empty lines are none. */
export async function* ndjsonRecords({ name, bytes, maxBytes }: FileContent): AsyncGenerator<RawRecord[]> {
  let line = 0;
  for await (const block of wholeLines(bytes, {
    bytes: maxBytes,
    exceeded: () => fileTooLarge(name, maxBytes),
  })) {
    const isText = isUtf8(block);
    const lines = isText ? block.toString("utf8").split("\n") : block.toString("latin1").split("\n");
    const records: RawRecord[] = [];
    for (const one of lines) {
      line += 1;
      const text = (isText ? one : utf8Of(one)).replace(line === 1 ? BYTE_ORDER_MARK : "", "").trim();
      if (text === "") continue;
      const place = `${name}:${line}`;
      if (isText || isUtf8(Buffer.from(one, "latin1"))) records.push(recordOf(text, place));
      else records.push({ text, value: undefined, fault: `${place}: not UTF-8` });
    }
    yield records;
  }
}

/** The text whose bytes were taken for characters. */
function utf8Of(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}

/** The list at `place` (`data.items`), else the list or the one record that the file is. */
export async function* jsonRecords(
  { name, bytes, maxBytes }: FileContent,
  place: string,
): AsyncGenerator<RawRecord[]> {
  const text = await wholeText(name, bytes, maxBytes);
  try {
    JSON.parse(text);
  } catch {
    const before = text.slice(0, findJsonError(text)).split("\n");
    const at = `${name}:${before.length}:${(before.at(-1) ?? "").length + 1}`;
    throw fileUnreadable(at, "the file is not JSON from here on");
  }
  const list = valueAt(text, place);
  if (list === undefined) throw fileUnreadable(name, `there is no list at "${place}"`);
  const isList = text.charAt(list.start) === "[";
  if (!isList && place !== "") throw fileUnreadable(name, `what is at "${place}" is not a list`);
  const spans = isList ? elementsOf(text, list.start) : [list];
  yield spans.map(({ start, end }, index) =>
    recordOf(text.slice(start, end), `${name}, record ${index + 1}`),
  );
}

function valueAt(text: string, place: string): Span | undefined {
  const start = skipSpace(text, 0);
  let span: Span | undefined = { start, end: text.trimEnd().length };
  for (const name of place === "" ? [] : place.split(".")) {
    if (text.charAt(span.start) !== "{") return undefined;
    span = membersOf(text, span.start).find((member) => member.name === name);
    if (span === undefined) return undefined;
  }
  return span;
}

async function wholeText(name: string, bytes: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) throw fileTooLarge(name, maxBytes);
  }
  const whole = Buffer.concat(chunks);
  if (!isUtf8(whole)) throw fileUnreadable(name, "the file is not UTF-8");
  return whole.toString("utf8").replace(BYTE_ORDER_MARK, "");
}
