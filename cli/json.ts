import type { ProjectError } from "../core/errors.ts";
import type { Rows } from "../engines/engine.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import type { ModelResult, SeedResult, SnapshotResult, TestResult } from "../runner/build/results.ts";

/** The shapes of `--json`: keys are only ever added. Times are in seconds. */
export function errorJson(error: ProjectError): Record<string, unknown> {
  const { code, message, where, why, hint } = error;
  return { code, message, where: where ?? null, why, hint: hint ?? null };
}

export function streamJson({
  source,
  stream,
  status,
  loadId,
  counts,
  pages,
  requests,
  retries,
  sizeBytes,
  seconds,
  error,
}: StreamResult) {
  return {
    source,
    stream,
    status,
    load_id: loadId,
    ...counts,
    pages,
    requests,
    retries,
    size_bytes: sizeBytes,
    seconds,
    error: error === null ? null : errorJson(error),
  };
}

export function modelJson({
  node,
  status,
  rows,
  seconds,
  error,
  reason,
  why,
}: ModelResult | SeedResult | SnapshotResult) {
  return {
    unique_id: node.id,
    name: node.name,
    relation: `${node.relation.schema}.${node.relation.name}`,
    materialized: node.config.materialized,
    status,
    rows,
    seconds,
    reason,
    why: why ?? null,
    error: error === null ? null : errorJson(error),
  };
}

export function testJson({
  node,
  status,
  isReused,
  failures,
  sample,
  isStored,
  seconds,
  error,
  reason,
}: TestResult) {
  return {
    unique_id: node.id,
    name: node.name,
    file: node.file,
    severity: node.config.severity,
    status,
    reused: isReused === true,
    failures,
    failing_rows: sample === null ? [] : sample.rows.map((row) => rowJson(sample, row)),
    stored_in: isStored ? `${node.relation.schema}.${node.relation.name}` : null,
    seconds,
    reason,
    error: error === null ? null : errorJson(error),
  };
}

/** A row by its columns' names. Integers beyond double precision, decimals and times stay texts. */
export function rowJson(
  { columns, types }: Pick<Rows, "columns" | "types">,
  row: readonly unknown[],
): Record<string, unknown> {
  return Object.fromEntries(
    columns.map((column, index) => [column, asNumber(row[index] ?? null, types[index])]),
  );
}

const WIDE_INTEGERS = ["BIGINT", "UBIGINT", "HUGEINT", "UHUGEINT"];

function asNumber(value: unknown, type: string | undefined): unknown {
  if (typeof value !== "string" || !WIDE_INTEGERS.includes(type ?? "")) return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
