/** counter: what each run adds; gauge: what it found. */
export type MetricType = "counter" | "gauge";

export interface Metric {
  type: MetricType;
  /** One sentence. */
  help: string;
  labels: readonly string[];
  /** Whether the value goes on growing by a second each second after it was measured. */
  isAge?: boolean;
}

const stream = ["source", "stream"] as const;
const table = ["table"] as const;
const column = ["table", "column"] as const;
const drift = ["kind", "measure"] as const;
const served = ["alias", "shelf"] as const;

/** All that is measured. Names are Prometheus' without the prefix: base units, and `_total` is added to counters. */
export const METRICS = {
  stream_records: {
    type: "counter",
    help: "Records of a stream by what they were: new, changed, unchanged, duplicate, quarantined, deleted.",
    labels: [...stream, "outcome"],
  },
  stream_bytes: { type: "counter", help: "Bytes received for a stream.", labels: stream },
  stream_requests: { type: "counter", help: "Requests made for a stream.", labels: stream },
  stream_retries: { type: "counter", help: "Requests of a stream that were made again.", labels: stream },
  stream_wait_seconds: {
    type: "counter",
    help: "Time that a stream waited because its service asked for it.",
    labels: stream,
  },
  stream_failed: { type: "gauge", help: "1 when the last load of a stream failed.", labels: stream },
  stream_duration_seconds: { type: "gauge", help: "Time that a load of a stream took.", labels: stream },
  stream_schema_changes: {
    type: "counter",
    help: "Changes in the shape of a stream's records: members that came, went or became another type.",
    labels: stream,
  },
  source_freshness_seconds: {
    type: "gauge",
    help: "Age of the newest row of a source's table.",
    labels: stream,
    isAge: true,
  },
  model_duration_seconds: { type: "gauge", help: "Time that building a model took.", labels: ["model"] },
  model_rows: { type: "gauge", help: "Rows of a model when it was built.", labels: ["model"] },
  model_reused: { type: "gauge", help: "1 when a model was left as it was.", labels: ["model"] },
  model_failed: { type: "gauge", help: "1 when a model could not be built.", labels: ["model"] },
  table_rows: { type: "gauge", help: "Rows of a table.", labels: table },
  table_missing_ratio: { type: "gauge", help: "Share of a column's values that are null.", labels: column },
  table_duplicate_ratio: {
    type: "gauge",
    help: "Share of the rows that repeat a value of a column that is to be unique.",
    labels: column,
  },
  table_freshness_seconds: {
    type: "gauge",
    help: "Age of the newest row of a table, by its event_time.",
    labels: table,
    isAge: true,
  },
  tests: {
    type: "gauge",
    help: "Tests of a run by verdict: pass, warn, fail, error, skipped.",
    labels: ["status"],
  },
  test_failures: { type: "gauge", help: "Rows that break a test.", labels: ["test"] },
  run_duration_seconds: { type: "gauge", help: "Time that a run took.", labels: ["command"] },
  run_cpu_seconds: { type: "gauge", help: "Processor time of a run.", labels: ["command"] },
  run_peak_memory_bytes: { type: "gauge", help: "Most memory that a run held at once.", labels: ["command"] },
  run_failed: { type: "gauge", help: "1 when a run did not end well.", labels: ["command"] },
  run_success_age_seconds: {
    type: "gauge",
    help: "Time since a run of the command ended well.",
    labels: ["command"],
    isAge: true,
  },
  run_errors: {
    type: "counter",
    help: "Errors by kind: validation, network, compute, data, configuration.",
    labels: ["kind"],
  },
  run_warnings: { type: "counter", help: "Warnings by the same kinds.", labels: ["kind"] },
  reco_drift_psi: {
    type: "gauge",
    help: "Population stability index of a measure against what the champion learned from.",
    labels: drift,
  },
  reco_drift_distance: {
    type: "gauge",
    help: "Jensen-Shannon distance of a measure from what the champion learned from.",
    labels: drift,
  },
  reco_drift_degree: {
    type: "gauge",
    help: "Drift of a measure in two windows in a row: 0 none, 1 moderate, 2 severe.",
    labels: drift,
  },
  reco_list_overlap: {
    type: "gauge",
    help: "Mean share of a user's first list by the champion that is on today's, too.",
    labels: [],
  },
  reco_success_ratio: {
    type: "gauge",
    help: "Share of shown tracks that were liked, listened to or played, by champion or challenger, of late.",
    labels: served,
  },
  reco_shown_tracks: {
    type: "gauge",
    help: "Tracks shown of late whose outcomes are known.",
    labels: served,
  },
  reco_coverage_ratio: {
    type: "gauge",
    help: "Share of all tracks that were shown of late.",
    labels: served,
  },
  reco_fallback_ratio: {
    type: "gauge",
    help: "Share of the lists of late that strangers got.",
    labels: served,
  },
  reco_model_age_seconds: {
    type: "gauge",
    help: "Time since the champion was made.",
    labels: [],
    isAge: true,
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as MetricName[]; // its own keys

export function isMetric(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}

/** What is known of a metric; undefined for a name that nothing measures. */
export function metricOf(name: string): Metric | undefined {
  return isMetric(name) ? METRICS[name] : undefined;
}
