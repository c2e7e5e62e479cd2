export const RUN_STATUSES = [
  "queued",
  "running",
  "success",
  "failed",
  "interrupted",
  "crashed",
  "timed_out",
  "cancelled",
  "failed_to_start",
  "skipped",
  "missed",
] as const;

export type RunStatus = (typeof RUN_STATUSES)[number];
