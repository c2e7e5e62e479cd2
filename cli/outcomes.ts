import {
  isModelResult,
  isSeedResult,
  isSnapshotResult,
  isTestResult,
  isUnitTestResult,
  type ModelResult,
  type NodeResult,
  type SeedResult,
  type SnapshotResult,
  type TestResult,
  type UnitTestResult,
} from "../runner/build/results.ts";
import type { ReferableNode } from "../runner/graph/nodes.ts";
import type { TableQuality } from "../runner/quality/quality.ts";

/** What became of the nodes that a command ran, all together and by kind. */
export interface GraphOutcome {
  results: NodeResult[];
  seeds: SeedResult[];
  snapshots: SnapshotResult[];
  models: ModelResult[];
  tests: TestResult[];
  unitTests: UnitTestResult[];
  /** Ancestors outside the selection that had to be made first. */
  added: ReferableNode[];
  /** Of the tables that were tested. */
  quality: TableQuality[];
}

/** Results by kind. */
export function graphOutcome(
  results: NodeResult[],
  added: readonly ReferableNode[] = [],
  quality: TableQuality[] = [],
): GraphOutcome {
  return {
    results,
    seeds: results.filter(isSeedResult),
    snapshots: results.filter(isSnapshotResult),
    models: results.filter(isModelResult),
    tests: results.filter(isTestResult),
    unitTests: results.filter(isUnitTestResult),
    added: [...added],
    quality,
  };
}
