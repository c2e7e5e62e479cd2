import type { ProjectError } from "../core/errors.ts";
import type { SchemaChange } from "./drift/change.ts";

/** received = new + changed + unchanged + duplicate + quarantined. */
export interface StreamCounts {
  received: number;
  new: number;
  changed: number;
  unchanged: number;
  duplicate: number;
  quarantined: number;
  /** Keys that the source no longer has. */
  deleted: number;
}

export const NO_COUNTS: StreamCounts = {
  received: 0,
  new: 0,
  changed: 0,
  unchanged: 0,
  duplicate: 0,
  quarantined: 0,
  deleted: 0,
};

/** What a stream cost, attempts that failed and readings that were thrown away included. */
export interface Traffic {
  requests: number;
  retries: number;
  sizeBytes: number;
  /** Before attempts, and because the host asked for it: how often, how long in all, and until when the latest. */
  waits?: { count: number; totalMs: number; untilMs: number };
}

/** What became of one stream. Counts are zero unless it was loaded. */
export interface StreamResult extends Traffic {
  source: string;
  stream: string;
  status: "ok" | "failed" | "interrupted";
  /** Null when nothing could be written, not even that the load failed. */
  loadId: number | null;
  counts: StreamCounts;
  /** Of the reading that was committed. */
  pages: number;
  seconds: number;
  /** How the records that were committed differ from those of earlier loads. */
  drift: SchemaChange[];
  error: ProjectError | null;
}
