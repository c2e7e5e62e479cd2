import { openDuckdb } from "../../../engines/duckdb.ts";
import type { UnitTestResult } from "../../../runner/build/results.ts";
import { unitTestsOf } from "../../../runner/graph/nodes.ts";
import { differenceText } from "../../../runner/unit-tests/difference.ts";
import { runUnitTests } from "../../../runner/unit-tests/unit-tests.ts";
import { createProject, type ProjectOptions } from "../project.ts";

export type Files = Readonly<Record<string, string>>;

/** The results of all unit tests of a project of these files. */
export async function unitTest(files: Files, options?: ProjectOptions): Promise<UnitTestResult[]> {
  const { ctx, scope } = createProject(files, options);
  const loaded = scope();
  const memory = { type: "duckdb" as const, path: ":memory:", schema: "main", threads: 1, settings: {} };
  const target = { ...memory, allowed_directories: ["seeds"] };
  const engine = await openDuckdb(ctx, target);
  try {
    return await runUnitTests(ctx, engine, { scope: loaded, tests: unitTestsOf(loaded.graph) });
  } finally {
    engine.close();
  }
}

/** What became of the only test: its status, its difference, or its error's place and message. */
export async function outcome(files: Files, options?: ProjectOptions): Promise<string> {
  const [result] = await unitTest(files, options);
  if (result === undefined) return "no test";
  const { status, difference, isSecondBuild, error } = result;
  if (error !== null) return [error.where, error.message, ...error.why, error.hint].join("\n");
  if (difference === null) return status;
  return `${isSecondBuild ? "second build\n" : ""}${differenceText(difference)}`;
}

/** A unit test of model `m` as YAML. */
export const testOf = (rest: string, given = "") =>
  `unit_tests:\n  - name: t\n    model: m\n    given: [${given}]\n${rest.replace(/^/gm, "    ")}\n`;
