import { CsvError, parse } from "csv-parse/sync";
import { findJsonError } from "../records/json-text.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { malformed } from "./document.ts";

/** One record a line, as received; empty lines are none. Throws AttemptFailure (API_BODY_MALFORMED). */
export function parseNdjson(text: string): RawRecord[] {
  const records: RawRecord[] = [];
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(start, end);
    const record = line.trim();
    if (record !== "") records.push({ text: record, value: parseLine(text, { line, start }) });
    start = end + 1;
  }
  return records;
}

function parseLine(text: string, { line, start }: { line: string; start: number }): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw malformed("a line of the answer is not JSON", text, start + findJsonError(line));
  }
}

/**
 * Rows as JSON objects of texts, in the order of the columns; nothing is trimmed or converted, and an empty value
 * is an empty text. Throws AttemptFailure (API_BODY_MALFORMED).
 */
export function parseCsv(text: string): RawRecord[] {
  const [names, ...rows] = parseRows(text);
  if (names === undefined) throw malformed("the answer is empty: not even a row of names", text, 0);
  const twin = names.find((name, index) => names.indexOf(name) !== index);
  if (twin !== undefined) throw malformed(`the answer has two columns "${twin}"`, text, 0);
  const written = names.map((name) => JSON.stringify(name));
  const records: RawRecord[] = [];
  for (const [index, row] of rows.entries()) {
    const isEmptyLine = row.length === 1 && row[0] === "";
    if (isEmptyLine && names.length > 1) continue;
    if (row.length !== names.length) {
      const what = `row ${index + 1} of the answer has ${row.length} values for ${names.length} columns`;
      throw malformed(what, text, 0);
    }
    const members = row.map((value, column) => `${written[column]}:${JSON.stringify(value)}`);
    const record = `{${members.join(",")}}`;
    records.push({ text: record, value: JSON.parse(record) });
  }
  return records;
}

function parseRows(text: string): string[][] {
  try {
    return parse(text, { relax_column_count: true });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw malformed(`the answer is not CSV: ${error.message}`, text, 0);
  }
}
