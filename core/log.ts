export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogEntry {
  level: LogLevel;
  /** snake_case, past tense: `page_landed`. */
  event: string;
  /** What a person reads, whole by itself. */
  message: string;
  fields: Readonly<Record<string, unknown>>;
  /** Of the command that says it. */
  invocationId?: string;
}

export type LogSink = (entry: LogEntry) => void;

type Write = (event: string, message: string, fields?: Record<string, unknown>) => void;

/** The story of a run. What a command answers is its return value, never a log line. */
export type Log = Record<LogLevel, Write>;

export function createLog(sink: LogSink): Log {
  const writer =
    (level: LogLevel): Write =>
    (event, message, fields = {}) =>
      sink({ level, event, message, fields });
  return { debug: writer("debug"), info: writer("info"), warn: writer("warn"), error: writer("error") };
}
