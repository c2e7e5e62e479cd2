import { z } from "zod";
import { projectErrorsOf } from "../core/errors.ts";
import type { MetricName } from "../monitor/metrics/catalog.ts";
import { type ErrorKind, kindOfError, kindOfWarning } from "../monitor/metrics/error-kinds.ts";
import type { Measurement } from "../state/metrics.ts";
import type { Outcome } from "./outcome.ts";
import { recoMetrics } from "./reco-metrics.ts";

const error = z.object({ code: z.string() }).nullable().default(null).catch(null);
const count = z.number().default(0);
const streams = z.array(
  z.object({
    source: z.string(),
    stream: z.string(),
    status: z.string(),
    new: count,
    changed: count,
    unchanged: count,
    duplicate: count,
    quarantined: count,
    deleted: count,
    requests: count,
    retries: count,
    size_bytes: count,
    waited_seconds: count,
    seconds: count,
    drift: z.array(z.unknown()).default([]),
    error,
  }),
);
const nodes = z.array(
  z.object({
    name: z.string(),
    status: z.string(),
    rows: z.number().nullable().default(null),
    failures: z.number().nullable().default(null),
    seconds: count,
    error,
  }),
);
const sources = z.array(
  z.object({ source: z.string(), table: z.string(), age_seconds: z.number().nullable(), error }),
);
/** Commands answer with other lists under the same names, too. */
const listsSchema = z.object({
  streams: streams.catch([]),
  seeds: nodes.catch([]),
  snapshots: nodes.catch([]),
  models: nodes.catch([]),
  tests: nodes.catch([]),
  unit_tests: nodes.catch([]),
  sources: sources.catch([]),
});
type Lists = z.output<typeof listsSchema>;

/** A command as it has ended. */
export interface EndedRun {
  command: string;
  /** Undefined when it threw. */
  outcome: Pick<Outcome, "json" | "quality"> | undefined;
  /** What it threw. */
  error?: unknown;
  isSuccess: boolean;
  seconds: number;
  usage: { cpuSeconds: number; peakMemoryBytes: number };
  /** How often each warning came. */
  warned: ReadonlyMap<string, number>;
}

function point(name: MetricName, labels: Record<string, string>, value: number): Measurement {
  return { name, labels, value };
}

/** All that a command has measured. */
export function metricsOf(run: EndedRun): Measurement[] {
  const lists = listsSchema.parse(run.outcome?.json ?? {});
  return [
    ...runMetrics(run),
    ...lists.streams.flatMap(streamMetrics),
    ...lists.sources.flatMap(({ source, table, age_seconds }) =>
      age_seconds === null ? [] : [point("source_freshness_seconds", { source, stream: table }, age_seconds)],
    ),
    ...[...lists.seeds, ...lists.snapshots, ...lists.models].flatMap(modelMetrics),
    ...(run.outcome?.quality ?? []).flatMap(qualityMetrics),
    ...testMetrics(lists),
    ...recoMetrics(run.outcome?.json ?? {}),
    ...errorMetrics(run, lists),
  ];
}

function runMetrics({ command, isSuccess, seconds, usage }: EndedRun): Measurement[] {
  const labels = { command };
  return [
    point("run_duration_seconds", labels, seconds),
    point("run_cpu_seconds", labels, usage.cpuSeconds),
    point("run_peak_memory_bytes", labels, usage.peakMemoryBytes),
    point("run_failed", labels, isSuccess ? 0 : 1),
    ...(isSuccess ? [point("run_success_age_seconds", labels, 0)] : []),
  ];
}

const OUTCOMES = ["new", "changed", "unchanged", "duplicate", "quarantined", "deleted"] as const;

function streamMetrics(one: Lists["streams"][number]): Measurement[] {
  const labels = { source: one.source, stream: one.stream };
  return [
    // Of a load that failed the counts say nothing.
    ...(one.status === "ok"
      ? [
          ...OUTCOMES.map((outcome) => point("stream_records", { ...labels, outcome }, one[outcome])),
          point("stream_duration_seconds", labels, one.seconds),
          point("stream_schema_changes", labels, one.drift.length),
        ]
      : []),
    point("stream_failed", labels, one.status === "failed" ? 1 : 0),
    point("stream_bytes", labels, one.size_bytes),
    point("stream_requests", labels, one.requests),
    point("stream_retries", labels, one.retries),
    point("stream_wait_seconds", labels, one.waited_seconds),
  ];
}

function modelMetrics({ name, status, rows, seconds }: Lists["models"][number]): Measurement[] {
  if (status === "skipped") return [];
  const labels = { model: name };
  return [
    point("model_reused", labels, status === "reused" ? 1 : 0),
    point("model_failed", labels, ["error", "partial success"].includes(status) ? 1 : 0),
    ...(status === "success" ? [point("model_duration_seconds", labels, seconds)] : []),
    ...(status === "success" && rows !== null ? [point("model_rows", labels, rows)] : []),
  ];
}

function qualityMetrics({
  name: table,
  rows,
  missing,
  duplicates,
  ageSeconds,
}: NonNullable<Outcome["quality"]>[number]): Measurement[] {
  return [
    point("table_rows", { table }, rows),
    ...Object.entries(missing).map(([column, share]) =>
      point("table_missing_ratio", { table, column }, share),
    ),
    ...Object.entries(duplicates).map(([column, share]) =>
      point("table_duplicate_ratio", { table, column }, share),
    ),
    ...(ageSeconds === null ? [] : [point("table_freshness_seconds", { table }, ageSeconds)]),
  ];
}

const VERDICTS = ["pass", "warn", "fail", "error", "skipped"] as const;

function testMetrics({ tests, unit_tests }: Lists): Measurement[] {
  const all = [...tests, ...unit_tests];
  if (all.length === 0) return [];
  return [
    ...VERDICTS.map((status) =>
      point("tests", { status }, all.filter((test) => test.status === status).length),
    ),
    ...tests.flatMap(({ name, failures }) =>
      failures === null ? [] : [point("test_failures", { test: name }, failures)],
    ),
  ];
}

function errorMetrics({ error, outcome, warned }: EndedRun, lists: Lists): Measurement[] {
  const errors = new Map<ErrorKind, number>();
  const warnings = new Map<ErrorKind, number>();
  const add = (counts: Map<ErrorKind, number>, kind: ErrorKind, times = 1) =>
    counts.set(kind, (counts.get(kind) ?? 0) + times);
  for (const list of Object.values(lists))
    for (const { error } of list) if (error !== null) add(errors, kindOfError(error.code));
  for (const test of [...lists.tests, ...lists.unit_tests]) {
    if (test.status === "fail") add(errors, "data");
    if (test.status === "warn") add(warnings, "data");
  }
  if (outcome === undefined) {
    const thrown = projectErrorsOf(error);
    for (const { code } of thrown) add(errors, kindOfError(code));
    if (thrown.length === 0) add(errors, "compute");
  }
  for (const [event, times] of warned)
    if (event !== "test_warned") add(warnings, kindOfWarning(event), times);
  return [
    ...[...errors].map(([kind, times]) => point("run_errors", { kind }, times)),
    ...[...warnings].map(([kind, times]) => point("run_warnings", { kind }, times)),
  ];
}
