import type { Engine, Session } from "../engines/engine.ts";
import type { RawTables } from "./raw/tables.ts";
import type { RawRecord } from "./records/raw-record.ts";
import type { RowFetch, RowLines } from "./records/row-types.ts";
import type { Traffic } from "./stream-result.ts";

/** Records that came together: a page, a part of a table, a part of a file. */
export interface Batch {
  /** From 1 on; with the place in the batch it says which of two records came later. */
  number: number;
  /** As far as it is known; else infinite. */
  lastNumber: number;
  records: readonly RawRecord[];
  /** The key of the parent whose whole list it is, where the lists of a child stream have cursors of their own. */
  parent?: string;
}

/** A record of the parent stream, whose list is to be asked for. */
export interface Parent {
  key: string;
  text: string;
  /** What of its list. */
  range: StreamRange;
}

/** What of a stream is asked for. Bounds are values of its cursor, as they stand in records; `since` belongs to it, `until` does not. */
export interface StreamRange {
  since: string | number | null;
  until: string | number | null;
  /** Records after which reading may end. */
  limit: number | null;
}

/** One stream to read. */
export interface ReadJob {
  /** Its name. */
  stream: string;
  range: StreamRange;
  /** Counted up as reading goes on. */
  traffic: Traffic;
  signal: AbortSignal;
  /** Of a child stream: all current records of its parent. Throws ProjectError. */
  parents(): AsyncIterable<Parent>;
  /** What earlier loads have read is read again. */
  readsAgain: boolean;
  /** Where a reader keeps what it has to know of earlier loads; null when there is none yet and nothing is written. */
  warehouse: Warehouse | null;
  /** What tells whether the pages of a whole list are those of the load before. Left out where that does not count. */
  formerPages?: FormerPages | undefined;
  /** Called before the first batch, and again when everything is read anew. */
  restart(): Promise<void>;
  /** Called for each batch, in any order. Resolves when more can be taken. */
  onBatch(batch: Batch): Promise<void>;
  /** Instead of `onBatch`, for all rows of a reading whose types say all that has to be judged; none when every record is wanted. */
  onLines?: ((lines: RowLines) => Promise<void>) | undefined;
  /** Instead of `onLines`, once, for all rows of a reading that the engine fetches by itself. */
  onFetch?: ((fetch: RowFetch) => Promise<void>) | undefined;
  /** Told of rows on their way to the engine. */
  onCame?: ((rows: number) => void) | undefined;
}

/** The pages of a list as the load before found them. */
export interface FormerPages {
  /** As an outcome gave them; null when there are none that count. */
  former: Buffer | null;
  /** For what is put aside meanwhile. */
  folder: string;
  /** A page came that is the former one, and was not handed on; or it is handed on after all. */
  tell(page: { number: number; lastNumber: number; records: number; isHandedOn: boolean }): void;
}

export interface Warehouse {
  engine: Engine;
  /** The load's own. */
  session: Session;
  tables: RawTables;
}

/** What a load has to know when only a part of what the source holds was read. */
export interface LoadedPart {
  /** SQL: whether a version (`versions`) of a key that did not come counts as deleted. */
  mayBeGone: string;
  /** Inside the load's transaction, after its versions. `landed` is the table of what came; `isCertain` is false when no deletion was concluded. */
  commit(load: { loadId: number; landed: string; isCertain: boolean }): Promise<void>;
}

export interface ReadOutcome {
  /** Batches of the reading that counts. */
  pages: number;
  /** Records that the source announced; null when it did not. */
  total: number | null;
  /** Left out when everything was read. */
  part?: LoadedPart;
  /** Of the pages, to be given to the next load. When unchanged, nothing or not all was handed on: all is as it was. */
  pageList?: { isUnchanged: boolean; entries: Buffer };
}

/** Reads the streams of one source. Nothing of the world is asked before the first `read`. */
export interface Reader {
  /** Reads a stream to its end. Throws ProjectError. */
  read(job: ReadJob): Promise<ReadOutcome>;
  /** Asks whether the source is there; resolves with what was found. Throws ProjectError. */
  reach?(signal: AbortSignal): Promise<string>;
  close(): Promise<void>;
}

/** What names a stream to people. */
export function streamName(job: { source: { name: string }; stream: { name: string } }): string {
  return `${job.source.name}.${job.stream.name}`;
}
