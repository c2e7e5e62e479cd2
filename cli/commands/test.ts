import { hasFailed } from "../../runner/build/results.ts";
import { formatTests, summarizeTests } from "../answers.ts";
import { testJson } from "../json.ts";
import { exitCodeFor, type Outcome } from "../outcome.ts";
import type { RunOptions } from "../run-options.ts";
import { planGraph, runPlan } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run test`: the claims about the data, and the rows that break them. */
export async function runTests(
  workspace: Workspace,
  terminal: Terminal,
  options: RunOptions,
): Promise<Outcome> {
  const plan = planGraph(workspace, openGraph(workspace), { ...options, kind: "test" });
  const { tests } = await runPlan(workspace, plan, { command: "run test", which: "test" });
  const summary = summarizeTests(tests);
  const open = formatTests(tests, terminal.colors);
  return {
    exitCode: exitCodeFor(tests, tests.some(hasFailed)),
    summary,
    text: open === "" ? summary : `${open}\n\n${summary}`,
    json: { tests: tests.map(testJson) },
  };
}
