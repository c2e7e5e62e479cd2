import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyProject, run } from "./cli.ts";

test("the demo goes from an empty folder to published marts", async () => {
  const cwd = copyProject();
  const { exitCode, stdout } = await run(["demo", "--json"], { cwd });
  expect(exitCode).toBe(0);
  const answer = JSON.parse(stdout);
  expect(answer.streams.map((stream: { new: number }) => stream.new)).toEqual([2000, 1000, 11_615]);
  expect(answer.release.tables).toContain("marts.fct_listens");
  expect(existsSync(join(cwd, "data/published/latest.duckdb"))).toBe(true);
});
