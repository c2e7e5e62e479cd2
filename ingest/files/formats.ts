import type { FileStreamDefinition } from "../../core/sillon.ts";
import { parquetRows } from "../../engines/duckdb-parquet.ts";
import type { RawRecord } from "../records/raw-record.ts";
import { csvRecords } from "./csv.ts";
import { fileUnreadable } from "./errors.ts";
import { jsonRecords, ndjsonRecords, recordOf } from "./json.ts";
import type { FileContent } from "./parts.ts";

export type Format = NonNullable<FileStreamDefinition["format"]>;

const ENDINGS: Record<string, Format> = {
  csv: "csv",
  tsv: "csv",
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "json",
  parquet: "parquet",
};

/** By the stream's definition or the name's ending, `.gz` apart. Throws FILE_UNREADABLE. */
export function formatOf(stream: FileStreamDefinition, name: string): Format {
  const ending = /\.(\w+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const format = stream.format ?? ENDINGS[ending];
  if (format !== undefined) return format;
  throw fileUnreadable(
    name,
    `its ending does not say what it is: expected ${Object.keys(ENDINGS).join(", ")}`,
  );
}

/** The records of a file, some at a time. Throws FILE_UNREADABLE or FILE_TOO_LARGE. */
export function recordsOf(stream: FileStreamDefinition, content: FileContent): AsyncGenerator<RawRecord[]> {
  const format = formatOf(stream, content.name);
  const isTabs = /\.tsv(\.gz)?$/i.test(content.name);
  switch (format) {
    case "csv":
      return csvRecords(content, stream.delimiter ?? (isTabs ? "\t" : ","));
    case "ndjson":
      return ndjsonRecords(content);
    case "json":
      return jsonRecords(content, stream.records ?? "");
    case "parquet":
      return parquetRecords(content);
  }
}

async function* parquetRecords({ name, path }: FileContent): AsyncGenerator<RawRecord[]> {
  let row = 0;
  try {
    for await (const texts of parquetRows(path)) {
      yield texts.map((text) => {
        row += 1;
        return recordOf(text, `${name}, row ${row}`);
      });
    }
  } catch (error) {
    const said = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw fileUnreadable(name, `it cannot be read as Parquet: ${said}`, error);
  }
}
