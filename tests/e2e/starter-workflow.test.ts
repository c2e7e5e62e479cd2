import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { MAIN, ROOT, run, temporaryFolder } from "./cli.ts";

const workflow = z.object({
  permissions: z.record(z.string(), z.string()),
  jobs: z.object({
    check: z.object({
      "timeout-minutes": z.number(),
      env: z.record(z.string(), z.string()),
      steps: z.array(
        z.object({
          name: z.string().optional(),
          uses: z.string().optional(),
          run: z.string().optional(),
          if: z.string().optional(),
          with: z.record(z.string(), z.unknown()).optional(),
        }),
      ),
    }),
  }),
});

/** A project made by `run init`, and the workflow in it. */
async function begun() {
  const folder = temporaryFolder();
  expect(await run(["init", "shop"], { cwd: folder })).toMatchObject({ exitCode: 0 });
  const cwd = join(folder, "shop");
  const { permissions, jobs } = workflow.parse(
    parse(readFileSync(join(cwd, ".github/workflows/sillon.yml"), "utf8")),
  );
  return { cwd, permissions, ...jobs.check };
}

/** A package that npm installs under the program's name, and whose program is the compiled one of the checkout. */
function packed(): string {
  const folder = temporaryFolder();
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const bin = { run: "main.mjs", sillon: "main.mjs" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "sillon", version, bin }));
  writeFileSync(
    join(folder, "main.mjs"),
    `#!/usr/bin/env node\nawait import(${JSON.stringify(pathToFileURL(MAIN))});\n`,
  );
  const { status, stderr } = spawnSync("npm", ["pack", "--ignore-scripts"], {
    cwd: folder,
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  return join(folder, `sillon-${version}.tgz`);
}

/** Runs a step as the runner does: bash that stops at the first failure. */
function perform(step: string, cwd: string, env: Record<string, string>) {
  const { PATH = "", HOME = "" } = process.env;
  const plain = { NO_COLOR: "1", npm_config_offline: "true", npm_config_update_notifier: "false" };
  const { status, stdout, stderr } = spawnSync("bash", ["-e", "-o", "pipefail", "-c", step], {
    cwd,
    encoding: "utf8",
    env: { PATH, HOME, CI: "true", ...plain, ...env },
  });
  return { status, output: stdout + stderr };
}

test("the steps of a new project's workflow install, build and test it, and leave artifacts", async () => {
  const { cwd, permissions, steps, env } = await begun();
  expect(permissions).toEqual({ contents: "read" });
  expect(env.SILLON).toMatch(/^sillon@\d+\.\d+\.\d+$/);
  const commands = steps.flatMap((step) => (step.run === undefined ? [] : [step.run]));
  expect(commands).toHaveLength(3);
  const outputs: string[] = [];
  for (const command of commands) {
    const { status, output } = perform(command, cwd, { ...env, SILLON: packed() });
    expect(status, `${command}\n${output}`).toBe(0);
    outputs.push(output);
  }
  expect(outputs[1]).toContain("dry run: would run 1 unit test, 2 models, 6 tests; nothing was changed");
  expect(outputs[2]).toContain("Unit tests: 1 passed, 0 failed");
  expect(outputs[2]).toContain("Data tests: 6 passed, 0 warned, 0 failed");
  expect(readdirSync(join(cwd, "data")).filter((file) => file.endsWith(".duckdb"))).toEqual(["ci.duckdb"]);
  const kept = String(steps.at(-1)?.with?.path).trim().split("\n");
  expect(steps.at(-1)).toMatchObject({ if: "always()" });
  expect(kept.filter((folder) => !existsSync(join(cwd, folder)))).toEqual([]);
});

test.each([
  ["a model that names no other", "models/marts/bad.sql", "select * from {{ ref('stg_order') }}", 1],
  ["a claim that the data breaks", "tests/data/none.sql", "select 1 as one", 2],
])("%s stops the workflow at its step", async (_what, file, text, at) => {
  const { cwd, steps, env } = await begun();
  writeFileSync(join(cwd, file), text);
  const commands = steps.flatMap((step) => (step.run === undefined ? [] : [step.run]));
  const failed = commands.findIndex(
    (command) => perform(command, cwd, { ...env, SILLON: packed() }).status !== 0,
  );
  expect(failed).toBe(at);
});

test("a project with a lock file installs what it says", async () => {
  const { cwd, steps, env } = await begun();
  const dependencies = { sillon: `file:${packed()}` };
  writeFileSync(join(cwd, "package.json"), JSON.stringify({ private: true, type: "module", dependencies }));
  expect(perform("npm install --package-lock-only", cwd, {}).status).toBe(0);
  rmSync(join(cwd, "node_modules"), { recursive: true, force: true });
  mkdirSync(join(cwd, "ingest"), { recursive: true });
  const [install = ""] = steps.flatMap((step) => (step.run === undefined ? [] : [step.run]));
  expect(perform(install, cwd, { ...env, SILLON: "sillon@0.0.0-none" })).toMatchObject({ status: 0 });
  expect(existsSync(join(cwd, "node_modules/.bin/run"))).toBe(true);
});
