import { relative } from "node:path";
import { hasFailed } from "../../runner/build/results.ts";
import type { Release } from "../../runner/publish.ts";
import { formatTests, summarizeRelease, summarizeTests } from "../answers.ts";
import { writeArtifacts } from "../artifacts-step.ts";
import { testJson } from "../json.ts";
import { exitCodeFor, failuresOf, type Outcome } from "../outcome.ts";
import { planGraph } from "../plan.ts";
import { modelsToPublish, publishStep } from "../publish-step.ts";
import { nodesStep } from "../steps.ts";
import type { Terminal } from "../terminal.ts";
import { withWarehouse } from "../warehouse.ts";
import { openGraph, type Workspace } from "../workspace.ts";

/** `run publish`: tests what readers are to see, and shows it to them when no test fails. */
export async function runPublish(workspace: Workspace, terminal: Terminal): Promise<Outcome> {
  const scope = openGraph(workspace);
  const plan = planGraph(workspace, scope, { select: [workspace.project.publish.select] });
  const models = modelsToPublish(workspace, scope);
  const { tests, release } = await withWarehouse(workspace, "run publish", async (engine, book) => {
    const { tests: results } = await nodesStep(workspace, { engine, book }, { plan, which: "test" });
    const isGreen = !results.some(hasFailed);
    return { tests: results, release: isGreen ? await publishStep(workspace, engine, models) : null };
  });
  writeArtifacts(workspace, plan, { which: "test", results: tests });
  const summary = release === null ? `not published: ${summarizeTests(tests)}` : summarizeRelease(release);
  return {
    exitCode: exitCodeFor(tests, release === null),
    summary,
    text: [formatTests(tests, terminal.colors), summarizeTests(tests), summary].filter(Boolean).join("\n"),
    json: { tests: tests.map(testJson), release: release === null ? null : releaseJson(workspace, release) },
    failures: failuresOf(tests),
  };
}

export function releaseJson(workspace: Workspace, release: Release) {
  const { name, file, tables, removed } = release;
  return { name, file: relative(workspace.ctx.projectDir, file), tables, removed };
}
