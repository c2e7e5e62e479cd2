import type { Traffic } from "./stream-result.ts";

/** How far the load of a stream has come: updated as it goes, read by whoever shows it. */
export interface StreamProgress {
  source: string;
  stream: string;
  /** `waiting` before it begins; `committing` when all has come. */
  state: "waiting" | "loading" | "committing" | "ended";
  /** Of the reading under way, as they came. */
  records: number;
  /** Pages that came, or parts of a table or file, and how many there are, as far as it is known. */
  page: number;
  pages: number | null;
  traffic: Traffic;
  startedMs: number;
}

export function waitingProgress(source: string, stream: string): StreamProgress {
  const counts = { records: 0, page: 0, pages: null, startedMs: 0 };
  return { source, stream, state: "waiting", ...counts, traffic: { requests: 0, retries: 0, sizeBytes: 0 } };
}

/** Notes a wait before another attempt, or for a host that asks to be left alone. */
export function noteWait(traffic: Traffic, nowMs: number, ms: number): void {
  const { count, totalMs } = traffic.waits ?? { count: 0, totalMs: 0 };
  traffic.waits = { count: count + 1, totalMs: totalMs + ms, untilMs: nowMs + ms };
}
