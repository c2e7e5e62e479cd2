import type { Context } from "../../core/context.ts";
import type { ProjectError } from "../../core/errors.ts";
import type { ReferableNode, TestNode } from "../graph/nodes.ts";
import type { ModelResult, RelationResult, RunnableNode, RunnableResult, TestResult } from "./results.ts";

/** What became of a node that was run. */
export type Outcome = Pick<
  ModelResult,
  "status" | "rows" | "ran" | "batches" | "error" | "reason" | "isUnchanged"
>;

export const INTERRUPTED = "the run was interrupted";

/** Times the work on a node; what it throws makes the node failed, or skipped when the run was interrupted. */
export async function executed<N extends ReferableNode>(
  ctx: Context,
  of: { node: N; thread: number },
  run: {
    work: () => Promise<Outcome>;
    /** Rethrows what is no failure of the node. */
    failureOf: (error: unknown) => { error: ProjectError } & Partial<Outcome>;
  },
): Promise<RelationResult & { node: N }> {
  const startedAt = ctx.clock.now();
  const end = (outcome: Outcome) => {
    const endedAt = ctx.clock.now();
    const seconds = (endedAt.getTime() - startedAt.getTime()) / 1000;
    return { ...of, startedAt, endedAt, seconds, ...outcome } as RelationResult & { node: N };
  };
  try {
    return end(await run.work());
  } catch (error) {
    if (ctx.signal.aborted) return end({ status: "skipped", rows: null, error: null, reason: INTERRUPTED });
    return end({ status: "error", rows: null, reason: null, ...run.failureOf(error) });
  }
}

/** The result of a node that is what it would be made anew. */
export function reusedResult(ctx: Context, node: ReferableNode): RelationResult {
  const now = ctx.clock.now();
  const times = { thread: 1, startedAt: now, endedAt: now, seconds: 0 };
  return { ...times, node, status: "reused", rows: null, error: null, reason: null } as RelationResult;
}

/** The result of a test that passed before, over the same rows. */
export function reusedTest(ctx: Context, node: TestNode, failures: number | null): TestResult {
  const now = ctx.clock.now();
  const times = { thread: 1, startedAt: now, endedAt: now, seconds: 0 };
  const passed = { status: "pass", isReused: true, sample: null, isStored: false } as const;
  return { ...times, ...passed, node, failures, error: null, reason: null };
}

/** The result of a node that was not run, and why. */
export function skippedResult(ctx: Context, node: RunnableNode, reason: string): RunnableResult {
  const now = ctx.clock.now();
  const times = { thread: 1, startedAt: now, endedAt: now, seconds: 0 };
  const skipped = { ...times, status: "skipped", error: null, reason } as const;
  if (node.kind === "test") return { ...skipped, node, failures: null, sample: null, isStored: false };
  return { ...skipped, node, rows: null } as RelationResult;
}
