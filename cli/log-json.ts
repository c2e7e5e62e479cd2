import type { LogEntry } from "../core/log.ts";

export const LOG_FORMATS = ["text", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** One line of the story as dbt's structured log writes it, so that tools that read one read the other. */
export function logLine({ level, event, message, fields, invocationId }: LogEntry, at: Date): string {
  return JSON.stringify({
    info: {
      name: event,
      code: event,
      msg: message,
      level,
      ts: at.toISOString(),
      invocation_id: invocationId ?? "",
      pid: process.pid,
      category: "",
      extra: {},
    },
    data: fields,
  });
}
