import type { ProjectError } from "../core/errors.ts";
import type { Rows } from "../engines/engine.ts";
import { changeJson } from "../ingest/drift/change.ts";
import type { StreamResult } from "../ingest/stream-result.ts";
import type {
  ModelResult,
  SeedResult,
  SnapshotResult,
  TestResult,
  UnitTestResult,
} from "../runner/build/results.ts";
import type { Difference } from "../runner/unit-tests/difference.ts";

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
  waits,
  seconds,
  drift,
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
    waits: waits?.count ?? 0,
    waited_seconds: (waits?.totalMs ?? 0) / 1000,
    seconds,
    drift: drift.map(changeJson),
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

export function unitTestJson({
  node,
  status,
  difference,
  isSecondBuild,
  seconds,
  error,
  reason,
}: UnitTestResult) {
  return {
    unique_id: node.id,
    name: node.name,
    model: node.subject,
    file: node.file,
    status,
    difference: difference === null ? null : differenceJson(difference),
    is_second_build: isSecondBuild,
    seconds,
    reason,
    error: error === null ? null : errorJson(error),
  };
}

/** Rows by their columns' names; of a changed row the cells that differ. */
function differenceJson({ columns, rows, same }: Difference) {
  const named = <T>(values: readonly T[]) =>
    Object.fromEntries(columns.map((column, index) => [column, values[index]]));
  return {
    columns,
    rows_as_expected: same,
    rows: rows.map(({ kind, cells }) => ({
      kind,
      values: named(cells.map(({ value }) => value)),
      expected: Object.fromEntries(
        Object.entries(named(cells)).flatMap(([column, cell]) =>
          cell?.expected === undefined ? [] : [[column, cell.expected]],
        ),
      ),
    })),
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

/** A whole number that JSON can hold is one, whatever text the engine gives. */
export function asNumber(value: unknown, type: string | undefined): unknown {
  if (typeof value !== "string" || !WIDE_INTEGERS.includes(type ?? "")) return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}
