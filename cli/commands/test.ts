import { hasFailed, type TestResult, type UnitTestResult } from "../../runner/build/results.ts";
import type { TestOptions } from "../../runner/data-tests/data-tests.ts";
import { testsOf } from "../../runner/graph/nodes.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { formatTests, formatUnitTests, summarizeTests, summarizeUnitTests } from "../answers.ts";
import { testJson, unitTestJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import {
  type GraphPlan,
  planGraph,
  testsStep,
  unitTestsStep,
  withRunHooks,
  writeArtifacts,
} from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

/** `run test`: unit tests of the models, then the claims about the data and the rows that break them. */
export async function runTests(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions & TestOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "test" });
  const unitTests = await unitTestsStep(workspace, { ...plan, ...options });
  const tests = await dataTests(workspace, { ...plan, ...options }, unitTests);
  const results = [...unitTests, ...tests];
  writeArtifacts(workspace, plan, { which: "test", results });
  const summary = [
    ...(unitTests.length > 0 ? [summarizeUnitTests(unitTests)] : []),
    ...(tests.length > 0 || unitTests.length === 0 ? [summarizeTests(tests)] : []),
  ].join("; ");
  const open = [formatUnitTests(unitTests, terminal.colors), formatTests(tests, terminal.colors)];
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: [open.filter((text) => text !== "").join("\n"), summary].filter((text) => text !== "").join("\n\n"),
    json: { tests: tests.map(testJson), unit_tests: unitTests.map(unitTestJson) },
  };
}

/** Unit tests alone leave the warehouse as it is, even when there is none. */
async function dataTests(
  workspace: Workspace,
  plan: GraphPlan & TestOptions,
  unitTests: readonly UnitTestResult[],
): Promise<TestResult[]> {
  const isChosen = testsOf(plan.scope.graph).some(({ id }) => plan.selected.has(id));
  const isStopped = plan.failFast === true && unitTests.some(hasFailed);
  if (unitTests.length > 0 && (!isChosen || isStopped)) return [];
  return withWarehouse(workspace, "run test", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: plan.hooks,
      work: () => testsStep(workspace, engine, plan),
    }),
  );
}
