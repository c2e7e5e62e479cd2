import type { ProjectError } from "../../core/errors.ts";
import type { Rows } from "../../engines/engine.ts";
import type { CompiledNode } from "../graph/compile.ts";
import type { ModelNode, SeedNode, SnapshotNode, TestNode, UnitTestNode } from "../graph/nodes.ts";
import type { Difference } from "../unit-tests/difference.ts";
import type { BatchWindow } from "./materializations/batch-windows.ts";

interface ResultBase {
  startedAt: Date;
  endedAt: Date;
  seconds: number;
  /** Which of the parallel workers did it, from 1. */
  thread: number;
  /** Why it was not reused, where that was asked. */
  why?: string | undefined;
}

export interface ModelResult extends ResultBase {
  node: ModelNode;
  /** reused: it is what it would be made anew; partial success: some of its batches failed. */
  status: "success" | "reused" | "partial success" | "error" | "skipped";
  /** Whether its rows are known to be those of before, although it ran. */
  isUnchanged?: boolean | undefined;
  /** Null for views and for what was not built. */
  rows: number | null;
  /** What was run, where that was known only then. */
  ran?: CompiledNode;
  /** Of a model that is built in batches. */
  batches?: { successful: BatchWindow[]; failed: BatchWindow[] } | null;
  error: ProjectError | null;
  /** Why it was skipped. */
  reason: string | null;
}

export interface SeedResult extends Omit<ModelResult, "node"> {
  node: SeedNode;
}

export interface SnapshotResult extends Omit<ModelResult, "node"> {
  node: SnapshotNode;
}

export interface TestResult extends ResultBase {
  node: TestNode;
  /** Whether this is the verdict of an earlier run over the same rows. */
  isReused?: boolean | undefined;
  /** error: the test could not be run. */
  status: "pass" | "warn" | "fail" | "error" | "skipped";
  failures: number | null;
  /** The first failing rows. */
  sample: Rows | null;
  /** Whether all of them are in the test's relation. */
  isStored: boolean;
  error: ProjectError | null;
  reason: string | null;
}

export interface UnitTestResult extends ResultBase {
  node: UnitTestNode;
  /** error: the test could not be run. */
  status: "pass" | "fail" | "error" | "skipped";
  /** Of a failed test. */
  difference: Difference | null;
  /** Whether the difference is that of a second build, which had to change nothing. */
  isSecondBuild: boolean;
  error: ProjectError | null;
  reason: string | null;
}

/** The result of a node that becomes a relation. */
export type RelationResult = ModelResult | SeedResult | SnapshotResult;
/** The result of a node that is run in the warehouse. */
export type RunnableResult = RelationResult | TestResult;
export type RunnableNode = RunnableResult["node"];
export type NodeResult = RunnableResult | UnitTestResult;

export function isModelResult(result: NodeResult): result is ModelResult {
  return result.node.kind === "model";
}

export function isSeedResult(result: NodeResult): result is SeedResult {
  return result.node.kind === "seed";
}

export function isSnapshotResult(result: NodeResult): result is SnapshotResult {
  return result.node.kind === "snapshot";
}

export function isTestResult(result: NodeResult): result is TestResult {
  return result.node.kind === "test";
}

export function isUnitTestResult(result: NodeResult): result is UnitTestResult {
  return result.node.kind === "unit_test";
}

/** Whether a command that gave this result has failed. Warnings have not. */
export function hasFailed(result: NodeResult): boolean {
  return ["error", "fail", "skipped", "partial success"].includes(result.status);
}
