import { Readable } from "node:stream";
import { type Info, parse } from "csv-parse";
import type { RawRecord } from "../records/raw-record.ts";
import { fileTooLarge, fileUnreadable } from "./errors.ts";
import type { FileContent } from "./parts.ts";

interface Row {
  record: string[];
  info: Info;
  raw: string;
}

const ROWS_AT_ONCE = 500;

/**
 * Below a header; every value is a text, an empty one too. A row of another length has a fault. Broken quotes end the
 * reading (FILE_UNREADABLE): nobody can say where the next row begins.
 */
export async function* csvRecords(
  { name, bytes, maxBytes }: FileContent,
  delimiter: string,
): AsyncGenerator<RawRecord[]> {
  let records: RawRecord[] = [];
  const broken = (raw: string, fault: string) =>
    records.push({ text: raw.replace(/[\r\n]+$/, ""), value: undefined, fault });
  const parser = parse({
    delimiter,
    info: true,
    raw: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: maxBytes,
  });
  // The parser reads on while there is room: what ends the text ends it.
  const input = Readable.from(decoded(name, bytes));
  input.on("error", (error) => parser.destroy(error));
  input.pipe(parser);
  let header: string[] | undefined;
  try {
    for await (const { record, info, raw } of parser as AsyncIterable<Row>) {
      if (header === undefined) header = record;
      else if (record.length === header.length) records.push(rowRecord(header, record));
      else {
        const line = info.lines - raw.replace(/[\r\n]+$/, "").split("\n").length + 1;
        broken(raw, `${name}:${line}: ${record.length} values below ${header.length} columns`);
      }
      if (records.length < ROWS_AT_ONCE) continue;
      yield records;
      records = [];
    }
  } catch (error) {
    const code = Object(error).code;
    if (code === "CSV_MAX_RECORD_SIZE") throw fileTooLarge(name, maxBytes);
    if (typeof code !== "string" || !code.startsWith("CSV_")) throw error;
    throw fileUnreadable(`${name}:${Object(error).lines}`, `broken quotes: ${Object(error).message}`, error);
  }
  yield records;
}

function rowRecord(header: readonly string[], values: readonly string[]): RawRecord {
  const members = header.map((column, index) => `${JSON.stringify(column)}:${JSON.stringify(values[index])}`);
  const value = Object.fromEntries(header.map((column, index) => [column, values[index]]));
  return { text: `{${members.join(",")}}`, value };
}

/** Without a byte order mark. */
async function* decoded(name: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const decode = (chunk?: Buffer) => {
    try {
      return decoder.decode(chunk, { stream: chunk !== undefined });
    } catch {
      throw fileUnreadable(name, "the file is not UTF-8");
    }
  };
  for await (const chunk of bytes) yield decode(chunk);
  yield decode();
}
