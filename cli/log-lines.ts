import type { LogEntry, LogLevel } from "../core/log.ts";

/** The lines of data/logs/ are those of pino, so that what reads these reads ours: pino-pretty, Loki, Datadog. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const;
export const LOG_LEVELS = ["info", "warn", "error"] as const satisfies readonly LogLevel[];

/** Which run, and which part of it, a line is of. */
export interface LineOrigin {
  runId: string;
  /** Of the job that the run is a part of. */
  step: string | null;
}

/** One line of a run's log. Secrets have been masked. */
export function pinoLine(entry: LogEntry, { runId, step }: LineOrigin, at: Date): string {
  const { event, message, fields } = entry;
  // On a terminal the answer tells of tests that warn: a log has no answer.
  const level = event === "test_warned" ? "warn" : entry.level;
  const node = nodeOf(fields);
  return JSON.stringify({
    level: LEVELS[level],
    time: at.getTime(),
    pid: process.pid,
    run_id: runId,
    ...(step === null ? {} : { step }),
    ...(node === null ? {} : { node }),
    event,
    msg: message,
    data: fields,
  });
}

const KINDS = ["model", "seed", "snapshot", "test", "unit_test"] as const;

/** The node that an entry is about: its name, or `source.stream`. */
function nodeOf(fields: LogEntry["fields"]): string | null {
  const { source, stream } = fields;
  if (typeof source === "string" && typeof stream === "string") return `${source}.${stream}`;
  for (const kind of KINDS) {
    const name = fields[kind];
    if (typeof name === "string") return name;
  }
  return null;
}

/** A line of a log as programs see it; of what a step printed itself there is only the message. */
export interface LogLine {
  time: string | null;
  level: LogLevel | null;
  run_id: string;
  step: string | null;
  node: string | null;
  event: string | null;
  message: string;
  data: Record<string, unknown>;
}

/** What stands in a line of a log, also in one of `--log-format json`. */
export function parseLine(line: string, origin: LineOrigin): LogLine {
  const { runId: run_id, step } = origin;
  const plain = { time: null, level: null, run_id, step, node: null, event: null, message: line, data: {} };
  if (!/^\{"(level|info)":/.test(line)) return plain;
  try {
    const read = JSON.parse(line) as Record<string, unknown>; // a line that a program wrote
    return "info" in read ? ofStory(plain, read) : ofPino(plain, read);
  } catch {
    return plain;
  }
}

function ofPino(plain: LogLine, read: Record<string, unknown>): LogLine {
  if (typeof read.msg !== "string" || typeof read.time !== "number") return plain;
  const level = Object.entries(LEVELS).find(([, number]) => number === read.level)?.[0];
  return {
    ...plain,
    time: new Date(read.time).toISOString(),
    level: (level ?? "info") as LogLevel, // a key of LEVELS
    run_id: textIn(read.run_id) ?? plain.run_id,
    step: textIn(read.step) ?? plain.step,
    node: textIn(read.node),
    event: textIn(read.event),
    message: read.msg,
    data: mapIn(read.data),
  };
}

function ofStory(plain: LogLine, { info, data }: Record<string, unknown>): LogLine {
  const { ts, level, name, msg, invocation_id } = mapIn(info);
  if (typeof msg !== "string" || typeof level !== "string" || !(level in LEVELS)) return plain;
  const fields = mapIn(data);
  return {
    ...plain,
    time: textIn(ts),
    level: level as LogLevel, // looked up above
    run_id: textIn(invocation_id) ?? plain.run_id,
    node: nodeOf(fields),
    event: textIn(name),
    message: msg,
    data: fields,
  };
}

function textIn(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function mapIn(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** A line as people read it. */
export function formatLine({ time, level, message }: LogLine): string {
  return time === null || level === null ? message : `${time} ${level.padEnd(5)} ${message}`;
}

/** Whether a line is at least so severe; what a step printed itself is of no level. */
export function isAtLevel({ level }: LogLine, least: LogLevel): boolean {
  return level !== null && LEVELS[level] >= LEVELS[least];
}
