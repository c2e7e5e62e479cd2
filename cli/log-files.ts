import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { logFile } from "../state/retention.ts";
import type { LogPart } from "../web/served.ts";
import { formatLine, parseLine } from "./log-lines.ts";
import { printableLines } from "./print.ts";

const BLOCK_BYTES = 64 * 1024;

/** The next bytes of a log; none at its end. */
export function readFrom(file: string, offset: number): Buffer {
  if (!existsSync(file)) return Buffer.alloc(0);
  const log = openSync(file, "r");
  try {
    const block = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(fstatSync(log).size - offset, 0)));
    return block.subarray(0, readSync(log, block, 0, block.length, offset));
  } finally {
    closeSync(log);
  }
}

/** A line of JSON as people read it; other lines as they are. */
function readable(line: string): string {
  return formatLine(parseLine(line, { runId: "", step: null }));
}

const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 20;

/** The last lines of a run's log. */
export function logTail(logs: string, runId: string): string[] {
  const file = logFile(logs, runId);
  if (!existsSync(file)) return [];
  const log = openSync(file, "r");
  try {
    const { size } = fstatSync(log);
    const start = Math.max(size - TAIL_BYTES, 0);
    const block = Buffer.alloc(size - start);
    readSync(log, block, 0, block.length, start);
    const lines = block
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "");
    return lines.slice(-TAIL_LINES).map((line) => printableLines(readable(line)));
  } finally {
    closeSync(log);
  }
}

const NEWLINE = 10;

/** Whole lines of a run's log from an offset on; a line longer than a block comes in pieces. */
export function logPart(
  logs: string,
  runId: string,
  { offset, isOpen }: { offset: number; isOpen: boolean },
): LogPart {
  const block = readFrom(logFile(logs, runId), offset);
  const isLast = block.length < BLOCK_BYTES;
  const end = (isLast && !isOpen) || !block.includes(NEWLINE) ? block.length : block.lastIndexOf(NEWLINE) + 1;
  // An unfinished line of a run that goes on is left for the next part.
  const taken = isLast && isOpen && !block.includes(NEWLINE) ? 0 : end;
  const whole = block.subarray(0, taken).toString("utf8").replace(/\n$/, "");
  const lines = taken === 0 ? [] : whole.split("\n").map((line) => printableLines(readable(line)));
  return { lines, nextOffset: offset + taken, isAtEnd: isLast };
}
