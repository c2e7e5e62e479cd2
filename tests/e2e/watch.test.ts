import type { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { type CliResult, run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\nschema_names: exact\nvars: {label: one}\n",
  "profiles.yml":
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb, schema: main, threads: 1}}}\n",
  "seeds/people.csv": "id,name\n1,Ada\n2,Grace\n",
  "models/names.sql": "select id, name from {{ ref('people') }}\n",
  "models/loud.sql": "select {{ louder('name') }} as name from {{ ref('names') }}\n",
  "models/apart.sql": "select '{{ var('label') }}' as label\n",
  "macros/louder.hbs": "{{!-- arguments: column --}}\nupper({{column}})\n",
  "models/models.yml": "models: [{name: names, columns: [{name: id, data_tests: [unique]}]}]\n",
};

const WAITING = "waiting for changes (Ctrl-C ends)";

interface Watching {
  cwd: string;
  write(files: Record<string, string>): void;
  /** What was said since the last call, when the program waits again. */
  said(): Promise<{ stdout: string; stderr: string }>;
  stop(signal?: NodeJS.Signals): Promise<CliResult>;
}

/** A project that the program watches, until the test is over. */
async function watch(args: readonly string[], changed: Record<string, string> = {}): Promise<Watching> {
  const cwd = temporaryFolder();
  const write = (files: Record<string, string>) => {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(cwd, name)), { recursive: true });
      writeFileSync(join(cwd, name), content);
    }
  };
  write({ ...FILES, ...changed });
  const output = { stdout: "", stderr: "" };
  let child: ReturnType<typeof spawn> | undefined;
  const ended = run(args, {
    cwd,
    onStart: (started) => {
      child = started;
      started.stdout?.on("data", (chunk: Buffer) => (output.stdout += chunk.toString()));
      started.stderr?.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
    },
  });
  const stop = (signal: NodeJS.Signals = "SIGINT") => {
    child?.kill(signal);
    return ended;
  };
  onTestFinished(async () => void (await stop("SIGKILL")));
  const said = async () => {
    while (!output.stderr.includes(WAITING)) {
      if (child?.exitCode !== null) throw new Error(`ended: ${output.stderr}`);
      await delay(20);
    }
    const heard = { ...output };
    Object.assign(output, { stdout: "", stderr: "" });
    return heard;
  };
  return { cwd, write, said, stop };
}

/** The names of what was built, in order. */
function built(stderr: string): string[] {
  return [...stderr.matchAll(/^(?:built|loaded) (\w+)$/gm)].map(([, name = ""]) => name).sort();
}

test("run watch builds all, then after a save what changed and what depends on it", async () => {
  const { write, said, stop } = await watch(["watch"]);
  const first = await said();
  expect(built(first.stderr)).toEqual(["apart", "loud", "names", "people"]);
  expect(first.stdout).toContain("Data tests: 1 passed, 0 warned, 0 failed");
  write({ "models/names.sql": "select id, name || '!' as name from {{ ref('people') }}\n" });
  const second = await said();
  expect(second.stderr).toMatch(/^saved: models\/names\.sql$/m);
  expect(built(second.stderr)).toEqual(["loud", "names"]);
  expect(second.stdout).toContain("tests: 1 passed");
  write({ "seeds/people.csv": "id,name\n1,Ada\n1,Grace\n" });
  const third = await said();
  expect(built(third.stderr)).toEqual(["names", "people"]);
  expect(third.stdout).toContain("FAILED  unique_names_id (1 row)");
  expect(await stop()).toMatchObject({ exitCode: 130 });
});

test("a macro runs the models that call it, YAML the tests that it declares, project.yml everything", async () => {
  const { write, said } = await watch(["watch"]);
  await said();
  write({ "macros/louder.hbs": "{{!-- arguments: column --}}\nupper({{column}}) || '?'\n" });
  expect(built((await said()).stderr)).toEqual(["loud"]);
  write({
    "models/models.yml": FILES["models/models.yml"].replace("[unique]", "[unique, not_null]"),
  });
  const { stderr, stdout } = await said();
  expect(built(stderr)).toEqual([]);
  expect(stdout).toContain("tests: 1 passed");
  write({
    "models/models.yml": `${FILES["models/models.yml"].replace("[unique]", "[unique, not_null]")}\n# a note\n`,
  });
  expect((await said()).stdout).toContain("nothing to run: no node changed");
  write({ "project.yml": FILES["project.yml"].replace("one", "two") });
  // Everything is looked at; what the variable does not change is reused.
  const { stderr: last, stdout: all } = await said();
  expect(built(last)).toEqual(["apart"]);
  expect(all).toContain("reused");
});

test("a broken file is reported last, and the next good save heals", async () => {
  const { write, said } = await watch(["models", "--watch"]);
  await said();
  write({ "models/names.sql": "select id, nme as name from {{ ref('people') }}\n" });
  const failed = await said();
  const lines = failed.stderr.trimEnd().split("\n");
  expect(lines.at(-1)).toBe(WAITING);
  expect(failed.stderr).toMatch(/models\/names\.sql:1:12 {2}Binder Error.*\n(?: {2}.*\n)+waiting/);
  expect(failed.stdout).toContain("0 models built, 1 failed, 1 skipped");
  write({ "models/names.sql": "select id, name from {{ ref('peple') }}\n" });
  const wrong = await said();
  expect(wrong.stderr).toContain('models/names.sql:1:25  unknown model "peple" in ref()');
  expect(wrong.stdout).toBe("");
  write({ "models/names.sql": FILES["models/names.sql"] });
  expect(built((await said()).stderr)).toEqual(["names"]);
  write({ "project.yml": "name: [" });
  expect((await said()).stderr).toContain("project.yml:1:");
  write({ "project.yml": FILES["project.yml"] });
  expect((await said()).stdout).toContain("0 models built, 3 reused");
});

test("files that are new, renamed or deleted are followed", async () => {
  const { cwd, write, said } = await watch(["models", "--watch", "--exclude", "apart"]);
  await said();
  write({ "models/deep/er/fresh.sql": "select 1 as one\n" });
  expect(built((await said()).stderr)).toEqual(["fresh"]);
  renameSync(join(cwd, "models/deep/er/fresh.sql"), join(cwd, "models/deep/er/stale.sql"));
  const renamed = await said();
  expect(built(renamed.stderr)).toEqual(["stale"]);
  expect(renamed.stderr).toContain("no longer in the project: model.shop.fresh; what was built of it stays");
  rmSync(join(cwd, "models/names.sql"));
  expect((await said()).stderr).toContain('models/loud.sql:1:45  unknown model "names" in ref()');
  write({ "models/names.sql": FILES["models/names.sql"] });
  expect((await said()).stdout).toContain("nothing to run");
  write({ "models/apart.sql": "select 2 as label\n" });
  expect((await said()).stdout).toContain("nothing to run");
});

test("a burst of saves is one run, and a file is read when it is whole", async () => {
  const { cwd, write, said } = await watch(["models", "--watch"]);
  await said();
  const file = join(cwd, "models/names.sql");
  write({ "models/names.sql": "select id, name," });
  for (const part of [" 1 as a,", " 2 as b", " from {{ ref('people') }}\n"]) {
    await delay(30);
    appendFileSync(file, part);
  }
  write({ "models/apart.sql": "select 3 as label\n" });
  const { stderr } = await said();
  expect(stderr).toContain("saved: models/apart.sql, models/names.sql\n");
  expect(built(stderr)).toEqual(["apart", "loud", "names"]);
});

test("a save during a run is run after it", async () => {
  const slow = "select count(*) as n from range(1000000) as a(x), range(100) as b(y) where x * y % 7 = 3\n";
  const { write, said } = await watch(["models", "--watch"]);
  await said();
  write({ "models/slow.sql": `{{ config(materialized='table') }}\n${slow}` });
  await delay(600);
  write({ "models/apart.sql": "select 4 as label\n" });
  const runs: string[] = [];
  while (!runs.includes("apart")) runs.push(...built((await said()).stderr));
  expect(runs).toEqual(["slow", "apart"]);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)(
  "%s ends it, also in the middle of a run, and leaves the project free",
  async (signal, exitCode) => {
    const stuck =
      "select count(*) as n from range(10000000) as a(x), range(1000000) as b(y) where x * y % 7 = 3";
    const { cwd, write, said, stop } = await watch(["models", "--watch"]);
    await said();
    write({ "models/stuck.sql": `{{ config(materialized='table') }}\n${stuck}\n` });
    await delay(1500);
    expect((await stop(signal)).exitCode).toBe(exitCode);
    expect(await run(["models", "--select", "apart", "--no-wait"], { cwd })).toMatchObject({ exitCode: 0 });
  },
);

test("test --watch runs the tests of what changed, and its options hold for every run", async () => {
  const { write, said } = await watch(["watch", "--dry-run", "--log-format", "json"]);
  expect((await said()).stdout).toContain("dry run: would run 1 seed, 3 models, 1 test");
  write({ "models/apart.sql": "select 5 as label\n" });
  const { stdout, stderr } = await said();
  expect(stdout).toContain("dry run: would run 1 model; nothing was changed");
  const names = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).info.name);
  expect(names).toEqual(["files_saved", "watch_waiting"]);
  const tests = await watch(["test", "--watch"]);
  expect((await tests.said()).stdout).toContain("1 could not run");
  tests.write({ "tests/data/one.sql": "select 1 as one where false\n" });
  expect((await tests.said()).stdout).toContain("tests: 1 passed, 0 warned, 0 failed, 1 could not run\n");
});

const UNIT_TEST = `unit_tests:
  - name: shouts
    model: loud
    given: [{input: ref('names'), rows: [{name: Ada}]}]
    expect: {rows: [{name: ADA}]}
`;
const SNAPSHOT =
  "snapshots: [{name: kept, relation: ref('names'), config: {strategy: check, check_cols: all, unique_key: id}}]\n";

test("build --watch runs unit tests and snapshots of what changed, too", async () => {
  const { write, said } = await watch(["build", "--watch"], {
    "models/units.yml": UNIT_TEST,
    "snapshots/kept.yml": SNAPSHOT,
  });
  const first = await said();
  expect(first.stdout).toContain("Unit tests: 1 passed, 0 failed");
  expect(first.stderr).toContain("took kept");
  write({ "models/apart.sql": "select 6 as label\n" });
  const apart = await said();
  expect(built(apart.stderr)).toEqual(["apart"]);
  expect(`${apart.stdout}${apart.stderr}`).not.toMatch(/[Uu]nit tests|took/);
  write({ "models/names.sql": "select id, name, 1 as one from {{ ref('people') }}\n" });
  const { stdout, stderr } = await said();
  expect(stdout).toContain("Unit tests: 1 passed, 0 failed");
  expect(stderr).toContain("took kept");
  expect(built(stderr)).toEqual(["loud", "names"]);
  write({ "models/units.yml": UNIT_TEST.replace("name: ADA", "name: Ada") });
  const wrong = await said();
  expect(wrong.stdout).toContain("Unit tests: 0 passed, 1 failed");
  expect(built(wrong.stderr)).toEqual([]);
});

test("what failed is tried again with the next save, whatever that is", async () => {
  const { write, said } = await watch(["build", "--watch"], {
    "models/parsed.sql":
      "{{ config(materialized='table') }}\nselect name::int as n from {{ source('disk', 'rows') }}\n",
    "models/after.sql": "select * from {{ ref('parsed') }}\n",
    "models/sources.yml": "sources: [{name: disk, schema: main, tables: [{name: rows}]}]\n",
  });
  expect((await said()).stdout).toContain("3 models built, 1 failed, 1 skipped");
  write({ "models/apart.sql": "select 7 as label\n" });
  const again = await said();
  expect(built(again.stderr)).toEqual(["apart"]);
  expect(again.stdout).toContain("1 model built, 1 failed, 1 skipped");
  write({ "seeds/rows.csv": "name\n1\n" });
  expect(built((await said()).stderr)).toEqual(["after", "parsed", "rows"]);
  write({ "models/apart.sql": "select 8 as label\n" });
  expect(built((await said()).stderr)).toEqual(["apart"]);
});

test("outside of a project there is nothing to watch", async () => {
  const { exitCode, stderr } = await run(["watch"], { cwd: temporaryFolder() });
  expect(exitCode).toBe(2);
  expect(stderr).toContain("no project.yml here");
  expect(stderr).not.toContain(WAITING);
});
