import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LogEntry, LogSink } from "../core/log.ts";
import { logLine } from "./log-json.ts";

/** The story of a run in a file: one JSON document a line. */
export interface RunLog {
  sink: LogSink;
  /** How often each warning came, by its event. */
  warned: ReadonlyMap<string, number>;
  /** Writes what was said until now, and all that follows. */
  open(file: string): void;
  close(): void;
}

const MAX_BYTES = 50 * 1024 * 1024;
const MAX_HELD = 1000;

/** A log that keeps what is said until it is known whether, and where, it is to be written. */
export function createRunLog(now: () => Date = () => new Date()): RunLog {
  const held: string[] = [];
  let file: number | undefined;
  let sizeBytes = 0;
  const warned = new Map<string, number>();
  const write = (line: string) => {
    if (file === undefined) {
      if (held.length < MAX_HELD) held.push(line);
      return;
    }
    sizeBytes += Buffer.byteLength(line);
    if (sizeBytes <= MAX_BYTES) writeSync(file, line);
  };
  return {
    warned,
    sink: (entry: LogEntry) => {
      if (entry.level === "warn") warned.set(entry.event, (warned.get(entry.event) ?? 0) + 1);
      if (entry.level !== "debug") write(`${logLine(entry, now())}\n`);
    },
    open: (path) => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      file = openSync(path, "a", 0o600);
      for (const line of held.splice(0)) write(line);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
