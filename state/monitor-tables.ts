import type { ColumnType } from "kysely";

/** What is measured again and again: a name with the values of its labels. */
export interface MetricSeriesRow {
  id: ColumnType<number, undefined, never>;
  name: string;
  /** JSON, keys in order. */
  labels: string;
  /** The sum of all points ever kept, also of those that went with their runs. */
  total: number;
  last_value: number;
  /** ISO, UTC. */
  last_at: string;
}

export interface MetricPointRow {
  series_id: number;
  /** ISO, UTC. */
  at: string;
  run_id: string;
  value: number;
}

export const SEVERITIES = ["warning", "error", "critical"] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Something that is wrong, with all that is wrong because of it. */
export interface IncidentRow {
  id: string;
  title: string;
  /** Of the worst of its parts. */
  severity: Severity;
  status: "open" | "resolved";
  /** The node that is the cause, by its id in the manifest; null when it is none. */
  node: string | null;
  /** The run that found it. */
  run_id: string | null;
  /** ISO, UTC, as all times. */
  opened_at: string;
  last_seen_at: string;
  resolved_at: string | null;
  /** JSON: names of what depends on the node. */
  affected: string;
  /** JSON: a list of `{name, email}`. */
  owners: string;
  /** JSON: names of the channels that were told. */
  channels: string;
}

/** One thing that is, or was, wrong in an incident. */
export interface IncidentPartRow {
  incident_id: string;
  /** What was looked at: `stream:shop.orders`, `test:not_null_orders_id`, `rule:slow model=orders`. */
  key: string;
  node: string | null;
  rule: string | null;
  severity: Severity;
  message: string;
  /** 0 once it was seen to be good again. */
  is_bad: number;
  since: string;
}

/** A message that is to reach a channel once. */
export interface OutboxRow {
  id: string;
  channel: string;
  /** opened, resolved: of an incident; report; test. */
  kind: string;
  incident_id: string | null;
  /** JSON. */
  payload: string;
  /** withdrawn: its incident was over before anybody was told. */
  status: "queued" | "sending" | "sent" | "given_up" | "withdrawn";
  attempts: number;
  created_at: string;
  /** Not sent before: quiet hours, or the delay after an attempt. */
  not_before: string;
  /** Until then one process has it in hand. */
  lease_until: string | null;
  sent_at: string | null;
  last_error: string | null;
}

/** A lineage event that no receiver has confirmed yet. */
export interface LineageEventRow {
  id: ColumnType<number, undefined, never>;
  /** Of the event: events of one run are sent one after the other. */
  run_id: string;
  /** JSON, secrets masked. */
  body: string;
  /** ISO, UTC. */
  created_at: string;
  /** Until then one process has it in hand. */
  lease_until: string | null;
}
