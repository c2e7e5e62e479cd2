import { closeSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../core/durable.ts";
import type { LogEntry, LogSink } from "../core/log.ts";
import { type LineOrigin, pinoLine } from "./log-lines.ts";

/** The story of a run in a file: one JSON document a line, readable by its owner alone. */
export interface RunLog {
  sink: LogSink;
  /** How often each warning came, by its event. */
  warned: ReadonlyMap<string, number>;
  /** Writes what was said until now, and all that follows. */
  open(file: string, origin: LineOrigin): void;
  close(): void;
}

const MAX_BYTES = 50 * 1024 * 1024;
const MAX_HELD = 1000;

/** A log that keeps what is said until it is known whether, and where, it is to be written. */
export function createRunLog(now: () => Date = () => new Date()): RunLog {
  const held: { entry: LogEntry; at: Date }[] = [];
  let origin: LineOrigin = { runId: "", step: null };
  let file: number | undefined;
  let sizeBytes = 0;
  const warned = new Map<string, number>();
  const write = (entry: LogEntry, at: Date) => {
    if (file === undefined) {
      if (held.length < MAX_HELD) held.push({ entry, at });
      return;
    }
    const line = `${pinoLine(entry, origin, at)}\n`;
    sizeBytes += Buffer.byteLength(line);
    if (sizeBytes <= MAX_BYTES) writeSync(file, line);
  };
  return {
    warned,
    sink: (entry: LogEntry) => {
      if (entry.level === "warn") warned.set(entry.event, (warned.get(entry.event) ?? 0) + 1);
      if (entry.level !== "debug" || entry.event === "test_warned") write(entry, now());
    },
    open: (path, of) => {
      origin = of;
      makeFolder(dirname(path), { mode: 0o700 });
      file = openSync(path, "a", 0o600);
      for (const { entry, at } of held.splice(0)) write(entry, at);
    },
    close: () => {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
