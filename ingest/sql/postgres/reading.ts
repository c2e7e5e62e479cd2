import { ProjectError } from "../../../core/errors.ts";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import type { Batches } from "../../batches.ts";
import { type ReadJob, streamName } from "../../reader.ts";
import { type Column, type Connection, connect } from "./connection.ts";
import type { PostgresParts } from "./parts.ts";
import type { RowStatement } from "./row-types.ts";

/** One reading of a stream. */
export interface Reading {
  parts: PostgresParts;
  job: ReadJob;
  stream: SqlStreamDefinition;
  batches: Batches;
  columns: Column[];
  /** When the rows need not be looked at one by one. */
  rows: RowStatement | undefined;
  /** Batches of such rows. */
  pages: number;
}

export const BEGIN = "begin isolation level repeatable read read only";

export function openConnection({ parts, job }: Reading, signal: AbortSignal): Promise<Connection> {
  return connect(parts.place, { settings: parts.settings, traffic: job.traffic, signal });
}

/** Pages of 8 kB that one range of a table has. */
export const RANGE_PAGES = 1024;
/** Conditions that cut a big table into parts; none when it is read as one. */
export function rangesOf(pages: number, size: number): string[] {
  const count = Math.floor(pages / size);
  if (count < 2) return [];
  return Array.from({ length: count }, (_, index) => {
    const from = `ctid >= '(${index * size},0)'`;
    // What was added since is not in the snapshot; the last range has no end, in case the size was of before.
    return index + 1 === count ? `where ${from}` : `where ${from} and ctid < '(${(index + 1) * size},0)'`;
  });
}

export function rowTooLarge({ parts, stream }: Reading): ProjectError {
  const name = streamName({ source: parts.source, stream });
  return new ProjectError("ROW_TOO_LARGE", {
    message: `${name}: a row is larger than ${parts.settings.maxBodyBytes / 1_048_576} MB`,
    where: name,
    hint: "leave the large column out with a query, or raise ingest: max_body_mb in project.yml",
  });
}
