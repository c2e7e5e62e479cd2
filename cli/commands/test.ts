import { hasFailed } from "../../runner/build/results.ts";
import type { TestOptions } from "../../runner/data-tests/data-tests.ts";
import type { SelectionOptions } from "../../runner/select/select.ts";
import { formatTests, summarizeTests } from "../answers.ts";
import { type DryRunOptions, dryRunOutcome } from "../dry-run.ts";
import { testJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import { planGraph, testsStep, withRunHooks, writeArtifacts } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace, withWarehouse } from "../workspace.ts";

/** `run test`: the claims about the data, and the rows that break them. */
export async function runTests(
  workspace: Workspace,
  terminal: Terminal,
  options: SelectionOptions & TestOptions & DryRunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "test" });
  if (options.dryRun) return dryRunOutcome(workspace, terminal, { ...plan, kinds: ["test"] });
  const results = await withWarehouse(workspace, "run test", (engine) =>
    withRunHooks(workspace, engine, {
      hooks: plan.hooks,
      work: async () => {
        const tested = await testsStep(workspace, engine, { ...plan, ...options });
        writeArtifacts(workspace, plan, { which: "test", results: tested });
        return tested;
      },
    }),
  );
  const summary = summarizeTests(results);
  const open = formatTests(results, terminal.colors);
  return {
    exitCode: exitCodeFor(results, results.some(hasFailed)),
    summary,
    text: open === "" ? summary : `${open}\n\n${summary}`,
    json: { tests: results.map(testJson) },
  };
}
