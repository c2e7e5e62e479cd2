import type { RunResultEntry } from "../../artifacts/run-results.ts";
import type { SourceFreshnessEntry } from "../../artifacts/sources.ts";
import type { BatchWindow } from "../build/materializations/batch-windows.ts";
import {
  isTestResult,
  isUnitTestResult,
  type ModelResult,
  type NodeResult,
  type UnitTestResult,
} from "../build/results.ts";
import type { FreshnessResult } from "../freshness/freshness.ts";
import type { CompileScope } from "../graph/compile.ts";
import { differenceText } from "../unit-tests/difference.ts";
import type { Compiled } from "./nodes.ts";
import { relationName } from "./parts.ts";
import { freshnessEntry } from "./resources.ts";

/** Results as entries of run_results.json. */
export function runResultEntries(
  scope: CompileScope,
  results: readonly NodeResult[],
  compiled: Compiled,
): RunResultEntry[] {
  return results.map((result) => {
    if (isUnitTestResult(result)) return unitTestResultEntry(result);
    const sql = compiled.get(result.node.id)?.sql ?? null;
    const isTest = isTestResult(result);
    return {
      // Readers such as OpenLineage's dbt-ol know no other word for a table that is as it should be.
      status: result.status === "reused" ? "success" : result.status,
      timing: result.status === "skipped" ? [] : [executeTiming(result)],
      thread_id: `Thread-${result.thread}`,
      execution_time: result.seconds,
      adapter_response: !isTest && result.rows !== null ? { rows_affected: result.rows } : {},
      message: messageFor(result),
      failures: isTest ? result.failures : null,
      unique_id: result.node.id,
      compiled: sql !== null,
      compiled_code: sql,
      relation_name: isTest && !result.isStored ? null : relationName(scope, result.node.relation),
      batch_results: isTest || result.batches == null ? null : batchEntries(result.batches),
      overload_results: null,
    };
  });
}

function unitTestResultEntry(result: UnitTestResult): RunResultEntry {
  return {
    status: result.status,
    timing: result.status === "skipped" ? [] : [executeTiming(result)],
    thread_id: `Thread-${result.thread}`,
    execution_time: result.seconds,
    adapter_response: {},
    message: messageFor(result),
    failures: result.status === "fail" ? 1 : result.status === "pass" ? 0 : null,
    unique_id: result.node.id,
    compiled: true,
    compiled_code: null,
    relation_name: null,
    batch_results: null,
    overload_results: null,
  };
}

function batchEntries({ successful, failed }: NonNullable<ModelResult["batches"]>) {
  const entries = (windows: readonly BatchWindow[]) =>
    windows.map(({ start, end }): [string, string] => [start.toISOString(), end.toISOString()]);
  return { successful: entries(successful), failed: entries(failed) };
}

/** dbt's time of a table without rows. */
const NEVER = new Date("0001-01-01T00:00:00.000Z");

/** Results as entries of sources.json. */
export function freshnessEntries(results: readonly FreshnessResult[]): SourceFreshnessEntry[] {
  return results.map((result) => {
    const { node, status, maxLoadedAt, snapshottedAt } = result;
    if (status === "runtime error") return { unique_id: node.id, error: result.error?.message ?? "", status };
    const newest = maxLoadedAt ?? NEVER;
    return {
      unique_id: node.id,
      max_loaded_at: newest.toISOString(),
      snapshotted_at: snapshottedAt.toISOString(),
      max_loaded_at_time_ago_in_s: (snapshottedAt.getTime() - newest.getTime()) / 1000,
      status,
      criteria: node.freshness === null ? {} : freshnessEntry(node.freshness),
      adapter_response: {},
      timing: [executeTiming(result)],
      thread_id: `Thread-${result.thread}`,
      execution_time: result.seconds,
    };
  });
}

function executeTiming({
  startedAt,
  endedAt,
}: Pick<NodeResult, "startedAt" | "endedAt">): RunResultEntry["timing"][number] {
  return { name: "execute", started_at: startedAt.toISOString(), completed_at: endedAt.toISOString() };
}

function isReused(result: NodeResult): boolean {
  return isTestResult(result) ? result.isReused === true : result.status === "reused";
}

function messageFor(result: NodeResult): string | null {
  if (result.error !== null) return [result.error.where, result.error.message].filter(Boolean).join("  ");
  if (result.reason !== null) return result.reason;
  if (isReused(result)) return "reused: unchanged";
  if (isUnitTestResult(result)) {
    const again = result.isSecondBuild ? ", when the table is built again" : "";
    return result.difference === null
      ? null
      : `actual differs from expected${again}:\n${differenceText(result.difference)}`;
  }
  if (!isTestResult(result)) return result.rows === null ? "OK" : `${result.rows} rows`;
  return result.status === "pass" ? null : `Got ${result.failures} results`;
}
