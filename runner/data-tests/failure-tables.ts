import { relationKey } from "../../engines/engine.ts";
import type { RelationNode, TestConfig, TestNode } from "../graph/nodes.ts";
import type { Mistakes } from "../project/collect.ts";
import { testError } from "./test-types.ts";

/** How a test's failing rows are kept in the warehouse; null when they are not. */
export function storageOf(
  { store_failures, store_failures_as }: TestConfig,
  isDefault: boolean,
): "table" | "view" | null {
  if (store_failures_as !== null) return store_failures_as === "ephemeral" ? null : store_failures_as;
  return (store_failures ?? isDefault) ? "table" : null;
}

/** Failing rows must not be stored over a model, a source or the rows of another test. */
export function checkFailureTables(
  tests: readonly TestNode[],
  others: readonly RelationNode[],
  mistakes: Mistakes,
): void {
  const seen = new Map<string, RelationNode | TestNode>(
    others.map((node) => [relationKey(node.relation), node]),
  );
  for (const test of tests) {
    const key = relationKey(test.relation);
    const former = seen.get(key);
    seen.set(key, former ?? test);
    if (former === undefined) continue;
    const isAsked = [test, former].some(
      (node) => node.kind === "test" && storageOf(node.config, false) !== null,
    );
    if (isAsked || former.kind !== "test") mistakes.add(relationTaken(test, former));
    // Only --store-failures makes the two meet: the end of its id makes the later one's name its own.
    else test.relation = { ...test.relation, name: `${test.relation.name}_${test.id.split(".").at(-1)}` };
  }
}

function relationTaken(test: TestNode, former: RelationNode | TestNode) {
  const place = former.kind === "test" ? former.where : `${former.file}:1:1`;
  return testError(
    "TEST_RELATION_TAKEN",
    test.where,
    `test "${test.name}" would store its failing rows over those of ${former.kind} "${former.name}"`,
    [`the other one: ${place}`, `both: ${test.relation.schema}.${test.relation.name}`],
    "give the test another alias, schema or name",
  );
}
