import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { copyProject, run, temporaryFolder } from "./cli.ts";

const lines = (text: string) => text.trimEnd().split("\n");

describe("run ls", () => {
  test("shows each node in four forms, and nothing else on stdout", async () => {
    const cwd = copyProject();
    const ls = (...args: string[]) =>
      run(["ls", "--select", "dim_dates source:*.tracks", "--indirect-selection", "empty", ...args], { cwd });
    expect(await ls()).toEqual({
      exitCode: 0,
      stdout: "moovitamix.marts.dim_dates\nsource:moovitamix.moovitamix.tracks\n",
      stderr: "",
    });
    expect(lines((await ls("--output", "name")).stdout)).toEqual(["dim_dates", "moovitamix.tracks"]);
    expect(lines((await ls("--output", "path")).stdout)[0]).toBe("models/marts/dim_dates.sql");
    const documents = lines((await ls("--output", "json")).stdout).map((line) => JSON.parse(line));
    expect(documents[0]).toMatchObject({ resource_type: "model", config: { materialized: "table" } });
    expect(documents[1]).toMatchObject({ source_name: "moovitamix", name: "tracks" });
    const keys = ["--output", "json", "--output-keys", "name config.materialized"];
    expect(lines((await ls(...keys)).stdout)[0]).toBe('{"name":"dim_dates","config.materialized":"table"}');
    const wrong = await ls("--output", "json", "--output-keys", "name", "config.materialized", "deps_on");
    expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
    expect(wrong.stderr).toContain(
      '--output-keys  no node has the key "deps_on"\n  nearest names: depends_on',
    );
    expect(wrong.stderr).toContain("to fix: give keys of nodes of manifest.json");
  });

  test("is exit 0 when nothing is left, and exit 2 for a name that there is not", async () => {
    const cwd = copyProject();
    expect(await run(["ls", "--select", "marts", "--exclude", "marts"], { cwd })).toEqual({
      exitCode: 0,
      stdout: "",
      stderr: "warning: the selection leaves no node\n",
    });
    const unknown = await run(["ls", "--select", "martz"], { cwd });
    expect(unknown).toMatchObject({ exitCode: 2, stdout: "" });
    expect(unknown.stderr).toContain("nearest names: marts");
    const allowed = await run(["ls", "--select", "martz", "--allow-empty-selection"], { cwd });
    expect(allowed).toMatchObject({ exitCode: 0, stdout: "" });
    expect(allowed.stderr).toContain('warning: --select  "martz" matches nothing');
  });
});

describe("run compile", () => {
  test("writes SQL and manifest without a warehouse", async () => {
    const cwd = copyProject();
    const all = await run(["compile", "--select", "staging"], { cwd });
    expect(all).toMatchObject({ exitCode: 0, stderr: "" });
    expect(all.stdout).toMatch(/^6 models and \d+ tests compiled into target\/compiled\n$/);
    expect(existsSync(join(cwd, "target/compiled/moovitamix/models/staging/stg_tracks.sql"))).toBe(true);
    expect(existsSync(join(cwd, "target/compiled/moovitamix/models/marts"))).toBe(false);
    expect(existsSync(join(cwd, "target/manifest.json"))).toBe(true);
    expect(existsSync(join(cwd, "data"))).toBe(false);
  });

  test("prints the SQL of one model and of a query", async () => {
    const cwd = copyProject();
    const one = await run(["compile", "--select", "dim_genres"], { cwd });
    expect(one.stdout).toMatch(/^-- One row per genre/);
    expect(one.stdout).toContain('"marts"."dim_tracks"');
    const inline = await run(["compile", "--inline", "from {{ ref('dim_genres') }}"], { cwd });
    expect(inline.stdout).toBe('from "marts"."dim_genres"\n');
  });
});

describe("run clean", () => {
  test("removes target/ and the folders of clean-targets, and keeps the rest", async () => {
    const cwd = copyProject();
    writeFileSync(join(cwd, "extra.yml"), "");
    for (const folder of ["target/compiled", "notes/old", "data", "models/kept"])
      mkdirSync(join(cwd, folder), { recursive: true });
    writeFileSync(join(cwd, "data/warehouse.duckdb"), "");
    const outside = temporaryFolder();
    mkdirSync(join(outside, "kept"));
    symlinkSync(outside, join(cwd, "linked"));
    await appendTargets(cwd, "[target, notes, linked, absent]");
    expect(await run(["clean"], { cwd })).toMatchObject({
      exitCode: 0,
      stdout: "removed target, notes, linked\n",
    });
    expect(readdirSync(cwd)).toEqual(expect.not.arrayContaining(["target", "notes", "linked"]));
    expect(existsSync(join(cwd, "data/warehouse.duckdb"))).toBe(true);
    expect(existsSync(join(outside, "kept"))).toBe(true);
    expect((await run(["clean"], { cwd })).stdout).toBe("nothing to remove\n");
  });

  test.each([
    ["data", '"data" would take the data with it'],
    ["data/published", '"data/published" would take the data with it'],
    ["models/marts", '"models/marts" would take models/ with it'],
    ["macros", '"macros" would take macros/ with it'],
    [".", '"." would take the data with it'],
    ["linked/kept", '"linked/kept" leads out of the project'],
  ])("refuses %s, and removes nothing", async (folder, message) => {
    const cwd = copyProject();
    const outside = temporaryFolder();
    for (const made of [join(cwd, "target"), join(outside, "kept")]) mkdirSync(made);
    symlinkSync(outside, join(cwd, "linked"));
    await appendTargets(cwd, `[${folder}]`);
    const { exitCode, stderr } = await run(["clean"], { cwd });
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/^project\.yml:\d+:17 {2}/);
    expect(stderr).toContain(message);
    expect(stderr).toContain("to fix: name only folders that can be made again");
    expect(existsSync(join(cwd, "target"))).toBe(true);
    expect(existsSync(join(outside, "kept"))).toBe(true);
  });
});

test("run clean keeps target/ when the warehouse lies in it", async () => {
  const cwd = copyProject();
  const profiles = readFileSync(join(cwd, "profiles.yml"), "utf8");
  writeFileSync(join(cwd, "profiles.yml"), profiles.replace(/path: .*/, "path: target/dev.duckdb"));
  const { exitCode, stderr } = await run(["clean"], { cwd });
  expect(exitCode).toBe(2);
  expect(stderr).toContain('target  "target" would take the warehouse with it');
});

async function appendTargets(cwd: string, folders: string): Promise<void> {
  writeFileSync(join(cwd, "project.yml"), `\nclean-targets: ${folders}\n`, { flag: "a" });
}

describe("--state", () => {
  test("compares with a copy of target/", async () => {
    const cwd = copyProject();
    await run(["compile"], { cwd });
    cpSync(join(cwd, "target"), join(cwd, "former"), { recursive: true });
    const ls = (...more: string[]) =>
      run(["ls", "--resource-type", "model", "--output", "name", "--state", "former", ...more], { cwd });
    expect((await ls("--select", "state:modified")).stdout).toBe("");
    writeFileSync(join(cwd, "models/marts/dim_tracks.sql"), "\n-- More.\n", { flag: "a" });
    expect((await ls("--select", "state:modified")).stdout).toBe("dim_tracks\n");
    const withReaders = await ls("--select", "state:modified+", "--exclude", "feat_* recommendations");
    expect(lines(withReaders.stdout)).toEqual([
      "bridge_track_genres",
      "dim_genres",
      "dim_tracks",
      "fct_impressions",
      "fct_listens",
      "fct_recommended_lists",
      "reco_exposures",
      "reco_success_rates",
    ]);
  });

  test("that finds nothing changed builds nothing and is exit 0", async () => {
    const cwd = copyProject();
    await run(["compile"], { cwd });
    const args = ["models", "--select", "state:modified+", "--state", "target"];
    expect(await run(args, { cwd })).toMatchObject({ exitCode: 0 });
  });
});
