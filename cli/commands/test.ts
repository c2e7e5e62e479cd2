import { hasFailed } from "../../runner/build/results.ts";
import { formatTests, formatUnitTests, summarizeTests, summarizeUnitTests } from "../answers.ts";
import { dryRunOutcome } from "../dry-run.ts";
import { testJson, unitTestJson } from "../json.ts";
import { exitCodeFor, failuresOf, type Outcome, unfinishedOf } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import type { RunOptions } from "../run-options.ts";
import { runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run test`: unit tests of the models, then the claims about the data and the rows that break them. */
export async function runTests(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "test" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { plan, which: "test" });
  const run = { command: "run test", which: "test" } as const;
  const { results, tests, unitTests, quality } = await runPlan(workspace, plan, run);
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
    failures: failuresOf(tests),
    quality,
    unfinished: unfinishedOf(results),
  };
}
