import type { Job } from "../schedule/jobs/job.ts";
import type { StateDatabase } from "../state/database.ts";
import type { Access } from "./access.ts";

/** A part of a run's log. */
export interface LogPart {
  lines: string[];
  /** Bytes from the beginning. */
  nextOffset: number;
  /** Nothing more is there now. */
  isAtEnd: boolean;
}

/** What runs printed, as it may be shown. */
export interface ServedLog {
  /** The last lines. */
  tail: (runId: string) => string[];
  /** Whole lines from an offset on; of a run that has ended also a last one without an end. */
  part: (runId: string, from: { offset: number; isOpen: boolean }) => LogPart;
}

/** What the server shows. */
export interface Served {
  version: string;
  state: StateDatabase;
  access: Access;
  now: () => Date;
  jobs: () => readonly Job[];
  /** What is wrong with the files of the jobs; the former jobs hold as long as there is something. */
  problems: () => readonly string[];
  /** Lines for Prometheus, besides those of the scheduler. */
  metrics?: () => Promise<string>;
  log: ServedLog;
  /** Called when something was asked for. */
  onChange: () => void;
  /** Told of what should not happen. */
  onFault: (error: unknown) => void;
}
