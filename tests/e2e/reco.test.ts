import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, run } from "./cli.ts";

/** The answer of a command with --json, its exit code beside it. */
async function ask(cwd: string, ...args: string[]) {
  const { exitCode, stdout } = await run([...args, "--json"], { cwd });
  return { exitCode, ...JSON.parse(stdout) };
}

async function rowsOf(cwd: string, sql: string): Promise<Record<string, string>[]> {
  return (await ask(cwd, "show", "--limit", "100000", "--inline", sql)).rows;
}

async function loaded(sizes: { users: number; tracks: number; plays: number }): Promise<string> {
  const cwd = copyProject();
  const api = await startApi({ seed: 3, ...sizes });
  onTestFinished(() => api.stop());
  expect(await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } })).toMatchObject({ exitCode: 0 });
  return cwd;
}

const ENOUGH = { users: 250, tracks: 300, plays: 12_000 };

describe("too little data", { timeout: 60_000 }, () => {
  test("names what is missing, exits 1 and makes no model", async () => {
    const cwd = await loaded({ users: 40, tracks: 60, plays: 500 });
    const { exit_code, errors } = await ask(cwd, "reco", "train");
    expect(exit_code).toBe(1);
    expect(errors[0]).toMatchObject({
      code: "RECO_TOO_LITTLE_DATA",
      message: "there is too little to train on; the champion stays as it is",
      hint: expect.stringContaining("load more listens"),
    });
    expect(errors[0].why.join("\n")).toMatch(/\d+ listens before \d{4}-\d\d-\d\d, at least 1000 are needed/);
    expect((await ask(cwd, "reco", "ls")).models).toEqual([]);
    const infer = await ask(cwd, "reco", "infer");
    expect([infer.exit_code, infer.errors[0].code, infer.errors[0].hint]).toEqual([
      1,
      "RECO_NO_CHAMPION",
      "train one first: run reco train",
    ]);
  });
});

describe("from training to lists", { timeout: 120_000 }, () => {
  test("a model is trained, promoted, served, and gone over only for new listens", async () => {
    const cwd = await loaded(ENOUGH);
    const trained = await ask(cwd, "reco", "train");
    expect(trained).toMatchObject({ exit_code: 0, model_version: 1, promoted: true });
    expect(trained.metrics.discover.ndcg).toBeGreaterThan(trained.metrics.popularity.ndcg);
    expect(trained.split.inner < trained.split.from && trained.split.from < trained.split.until).toBe(true);

    const inferred = await ask(cwd, "reco", "infer");
    expect(inferred).toMatchObject({ exit_code: 0, model_version: 1, users: 250, skipped: 0 });
    expect(await ask(cwd, "reco", "infer")).toMatchObject({ users: 0, skipped: 250 });
    expect(await ask(cwd, "reco", "infer", "--full")).toMatchObject({ users: 250, skipped: 0 });
    const current = JSON.parse(readFileSync(join(cwd, "data/serving/current.json"), "utf8"));
    expect(existsSync(join(cwd, "data/serving", current.store))).toBe(true);

    const known = await rowsOf(
      cwd,
      "select distinct r.user_id from {{ ref('recommendations') }} r join {{ ref('fct_listens') }} l using (user_id, track_id) where r.shelf = 'discover'",
    );
    expect(known).toEqual([]);
    const most = await rowsOf(
      cwd,
      "select max(n) as n from (select count(*) as n from {{ ref('recommendations') }} where artist_name is not null group by user_id, shelf, artist_name)",
    );
    expect(Number(most[0]?.n)).toBeLessThanOrEqual(3);
    expect(await run(["build"], { cwd })).toMatchObject({ exitCode: 0 });
  });

  test("the same data give the same model, and experiments and the registry tell of both", async () => {
    const cwd = await loaded(ENOUGH);
    const [first, second] = [await ask(cwd, "reco", "train"), await ask(cwd, "reco", "train")];
    expect(second.metrics).toEqual(first.metrics);
    const { models } = await ask(cwd, "reco", "ls");
    expect(models.map(({ aliases }: { aliases: string[] }) => aliases)).toEqual([["champion"], []]);
    expect(models[0].checksum).toBe(models[1].checksum);
    const compared = await ask(cwd, "reco", "compare", "e1", "e2");
    expect(compared.same_split).toBe(true);
    expect((await ask(cwd, "reco", "experiments")).experiments).toHaveLength(2);
    expect(await ask(cwd, "reco", "rollback")).toMatchObject({ exit_code: 0, model_version: 1 });
    expect(await ask(cwd, "reco", "promote", "v2")).toMatchObject({ exit_code: 0, model_version: 2 });
    const { stdout } = await run(["reco", "show", "2"], { cwd });
    expect(stdout).toContain("# Model v2");
    expect(stdout).toContain("## Gate");

    const artefact = join(cwd, models[0].artefact);
    writeFileSync(artefact, readFileSync(artefact).fill(0, 5000, 5100));
    const former = readFileSync(join(cwd, "data/state.db")).length;
    const infer = await ask(cwd, "reco", "infer");
    expect([infer.exit_code, infer.errors[0].code]).toEqual([4, "RECO_ARTEFACT_DAMAGED"]);
    expect(former).toBeGreaterThan(0);
    expect(existsSync(join(cwd, "data/serving"))).toBe(false);
    expect(await ask(cwd, "reco", "rollback")).toMatchObject({ model_version: 1 });
    expect(await ask(cwd, "reco", "infer", "--top", "10")).toMatchObject({ exit_code: 0, users: 10 });
  });

  test("a model that the gate refuses stays challenger and is promoted by force alone", async () => {
    const cwd = await loaded(ENOUGH);
    const project = join(cwd, "project.yml");
    writeFileSync(project, `${readFileSync(project, "utf8")}\nreco: {promotion: {min_coverage: 1}}\n`);
    expect(await ask(cwd, "reco", "train")).toMatchObject({ exit_code: 0, promoted: false });
    const refused = await ask(cwd, "reco", "promote");
    expect(refused.errors[0]).toMatchObject({
      code: "RECO_GATE",
      message: "model v1 does not pass the gate",
      hint: expect.stringContaining("--force"),
    });
    expect(refused.errors[0].why[0]).toMatch(/coverage 0\.\d+, at least 1/);
    const former = await ask(cwd, "reco", "rollback");
    expect(former.errors[0]).toMatchObject({
      code: "RECO_NO_FORMER",
      hint: expect.stringContaining("run reco ls"),
    });
    expect(await ask(cwd, "reco", "promote", "--force")).toMatchObject({ exit_code: 0, model_version: 1 });
  });
});

describe("what happened after a cut-off", { timeout: 120_000 }, () => {
  test("changes nothing of what was learned before it, nor of features as of then", async () => {
    const cwd = copyProject();
    const api = await startApi({ seed: 3, ...ENOUGH });
    onTestFinished(() => api.stop());
    const env = { MOOVITAMIX_URL: api.url };
    await run(["pipeline"], { cwd, env });
    const cuts = await rowsOf(
      cwd,
      "select cast(cutoff as varchar) as c from {{ ref('feat_cutoffs') }} where purpose = 'split'",
    );
    const cut = cuts[0]?.c ?? "";
    const sums = `select count(*) as n, sum(hash(user_id, track_id, plays, decayed_plays)) as h from {{ ref('feat_user_tracks') }} where cutoff = timestamp '${cut}'`;
    const likeness = `select count(*) as n, round(sum(similarity), 6) as s from {{ ref('feat_similar_tracks') }} where cutoff = timestamp '${cut}'`;
    const before = [await rowsOf(cwd, sums), await rowsOf(cwd, likeness)];
    // The same world without anything that happened from the cut on, but one listen that keeps the newest day.
    write(
      cwd,
      "models/marts/fct_listens.sql",
      (text) =>
        `${text.trimEnd()}\nwhere listens.listened_at < timestamp '${cut}' or listens.listened_at = (select max(listened_at) from listens)\n`,
    );
    expect(await run(["models"], { cwd, env })).toMatchObject({ exitCode: 0 });
    expect([await rowsOf(cwd, sums), await rowsOf(cwd, likeness)]).toEqual(before);
    const counts = await rowsOf(cwd, "select count(*) as n from {{ ref('fct_listens') }}");
    expect(Number(counts[0]?.n)).toBeLessThan(ENOUGH.plays);
  });
});

function write(cwd: string, file: string, change: (text: string) => string): void {
  writeFileSync(join(cwd, file), change(readFileSync(join(cwd, file), "utf8")));
}

describe("calls that cannot be meant", { timeout: 60_000 }, () => {
  test.each([
    [
      ["reco", "promote", "v9"],
      "RECO_MODEL_UNKNOWN",
      `no model "v9" in the registry`,
      "train one first: run reco train",
    ],
    [["reco", "show"], "RECO_MODEL_UNKNOWN", "there is no such model yet", "train one first: run reco train"],
    [
      ["reco", "compare", "e1", "e2"],
      "RECO_EXPERIMENT_UNKNOWN",
      `no experiment "e1"`,
      "run reco experiments lists them",
    ],
    [
      ["reco", "infer", "--top", "5", "--active", "3"],
      "RECO_USAGE",
      "--active and --top exclude each other",
      "give one of them",
    ],
    [["features", "get"], "FEATURES_USAGE", "features of whom?", "give --user ID, --track ID or both"],
    [
      ["features", "get", "--user", "1", "--as-of", "soon"],
      "FEATURES_TIME",
      `"soon" is no time`,
      "write it as 2026-10-31 or 2026-10-31T12:00:00 (UTC)",
    ],
    [
      ["reco", "train"],
      "MODEL_NOT_BUILT",
      "fct_listens was never built",
      "fill the warehouse first: run pipeline",
    ],
  ])("%j is told what is wrong", async (args, code, message, hint) => {
    const cwd = copyProject();
    const { errors } = await ask(cwd, ...args);
    expect(errors[0]).toMatchObject({ code, message, hint });
  });

  test("a project without the models is told which", async () => {
    const cwd = copyProject();
    rmSync(join(cwd, "models/marts/feat_similar_tracks.sql"));
    rmSync(join(cwd, "models/marts/features.yml"));
    const { exit_code, errors } = await ask(cwd, "reco", "train");
    expect([exit_code, errors[0].code]).toEqual([2, "RECO_MODEL_MISSING"]);
    expect(errors[0].message).toContain("feat_similar_tracks");
  });
});
