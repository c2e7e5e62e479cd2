import type { Context } from "../../core/context.ts";
import { describeError } from "../../core/errors.ts";
import type { RelationResult, RunnableResult, TestResult } from "./results.ts";

/** Names of events, and the word for what was done, by the kind of node. */
const WORDS = {
  model: { done: "model_built", word: "built" },
  seed: { done: "seed_loaded", word: "loaded" },
  snapshot: { done: "snapshot_taken", word: "took" },
} as const;

/** Why nodes are skipped after the first failure of a run that ends with it. */
export function stoppedBy(name: string): string {
  return `${name} failed (--fail-fast)`;
}

function isStopped({ reason }: RunnableResult): boolean {
  return reason?.endsWith("(--fail-fast)") ?? false;
}

/** Tells the story of a run what became of a node. */
export function reportResult(ctx: Context, result: RunnableResult): void {
  if (isStopped(result))
    ctx.log.debug(`${result.node.kind}_skipped`, `skipped ${result.node.name}: ${result.reason}`, {
      [result.node.kind]: result.node.name,
    });
  else if ("failures" in result) reportTest(ctx, result);
  else reportRelation(ctx, result);
}

function reportRelation(
  ctx: Context,
  { node, status, rows, seconds, reason, error, why }: RelationResult,
): void {
  const { kind, name } = node;
  const { done, word } = WORDS[kind];
  const fields = { [kind]: name, status, rows, seconds };
  if (status === "reused") ctx.log.debug(`${kind}_reused`, `reused ${name}`, fields);
  else if (status === "success") ctx.log.info(done, `${word} ${name}`, { ...fields, why });
  else if (status === "skipped") ctx.log.warn(`${kind}_skipped`, `skipped ${name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error(`${kind}_failed`, describeError(error), fields);
}

function breaks(failures: number | null): string {
  return failures === 1 ? "1 row breaks it" : `${failures} rows break it`;
}

function reportTest(ctx: Context, { node, status, failures, reason, error }: TestResult): void {
  const fields = { test: node.name, status, failures };
  if (status === "pass") ctx.log.debug("test_passed", `passed ${node.name}`, fields);
  else if (status === "skipped") ctx.log.warn("test_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (status === "warn")
    ctx.log.debug("test_warned", `test ${node.name}: ${breaks(failures)}`, fields);
  else if (status === "fail")
    ctx.log.error("test_failed", `test ${node.name} failed: ${breaks(failures)}`, fields);
  else if (error !== null && error.code !== "TEST_RELATION_MISSING")
    ctx.log.error("test_errored", describeError(error), fields);
}
