import type { Context } from "../../core/context.ts";
import type { ProjectError } from "../../core/errors.ts";
import type { ReferableNode } from "../graph/nodes.ts";
import type { ModelResult, NodeResult, RelationResult, RunnableNode } from "./results.ts";

/** What became of a node that was run. */
export type Outcome = Pick<ModelResult, "status" | "rows" | "ran" | "batches" | "error" | "reason">;

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

/** The result of a node that was not run, and why. */
export function skippedResult(ctx: Context, node: RunnableNode, reason: string): NodeResult {
  const now = ctx.clock.now();
  const times = { thread: 1, startedAt: now, endedAt: now, seconds: 0 };
  const skipped = { ...times, status: "skipped", error: null, reason } as const;
  if (node.kind === "test") return { ...skipped, node, failures: null, sample: null, isStored: false };
  return { ...skipped, node, rows: null } as RelationResult;
}
