import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { all, type Case, type Report } from "./case.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const VITEST = join(ROOT, "node_modules/vitest/vitest.mjs");

/** The wrong calls, settings and files, one mistake each, are tests of their own: this one counts them. */
const MISTAKES = "tests/e2e/mistakes-";
const ASKED_FOR = 60;

interface Results {
  testResults: { assertionResults: { fullName: string; status: string; failureMessages: string[] }[] }[];
}

/** errors that help. */
export const errorsThatHelp: Case = {
  id: "X-03",
  run: async (): Promise<Report> => {
    const folder = mkdtempSync(join(tmpdir(), "sillon-case-"));
    const output = join(folder, "results.json");
    spawnSync(process.execPath, [VITEST, "run", MISTAKES], {
      cwd: ROOT,
      env: { ...process.env, TEST_RESULTS: output },
    });
    const { testResults } = JSON.parse(readFileSync(output, "utf8")) as Results;
    rmSync(folder, { recursive: true });
    const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
    const failed = tests.filter(({ status }) => status !== "passed");
    return {
      figures: [
        { name: "mistakes", value: tests.length },
        all("right_in_all_four", tests.length - failed.length, Math.max(tests.length, ASKED_FOR)),
      ],
      failures: failed.map(
        ({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split("\n")[0]}`,
      ),
    };
  },
};
