import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Api, type ApiOptions, startApi } from "../../moovitamix/server.ts";
import { copyProject, run } from "./cli.ts";

const SMALL = { users: 60, tracks: 80, plays: 1200 };

async function smallApi(options: ApiOptions = {}): Promise<Api> {
  const api = await startApi({ ...SMALL, ...options });
  onTestFinished(() => api.stop());
  return api;
}

async function answerOf(args: readonly string[], cwd: string, api: Api) {
  const result = await run([...args, "--json"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  return { ...result, answer: JSON.parse(result.stdout) };
}

async function rowsOf(cwd: string, sql: string): Promise<Record<string, unknown>[]> {
  const { stdout, stderr } = await run(["show", "--json", "--limit", "10000", "--inline", sql], { cwd });
  expect(stderr).toBe("");
  return JSON.parse(stdout).rows;
}

describe("run demo", () => {
  test("goes from an empty folder to published marts, and loads only what changed the second time", async () => {
    const cwd = copyProject();
    const first = await run(["demo"], { cwd });
    expect(first).toMatchObject({ exitCode: 0 });
    for (const part of [
      "Records per stream: 14,615 new",
      "Most played tracks",
      "Rock",
      "Next",
      "published 20 tables",
    ]) {
      expect(first.stdout).toContain(part);
    }
    const second = await run(["demo"], { cwd });
    expect(second).toMatchObject({ exitCode: 0 });
    expect(second.stdout).toContain("Records per stream: nothing new");
  });

  test("loads from MOOVITAMIX_URL when that is set", async () => {
    const api = await smallApi();
    const { exitCode, stdout } = await run(["demo"], {
      cwd: copyProject(),
      env: { MOOVITAMIX_URL: api.url },
    });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/moovitamix\.users +60 +60 /);
  });
});

describe("ingest, models --select marts, test", () => {
  test("leave a complete, tested star schema from empty", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    const env = { MOOVITAMIX_URL: api.url };
    const ingested = await run(["ingest"], { cwd, env });
    expect(ingested).toMatchObject({ exitCode: 0 });
    const built = await run(["models", "--select", "marts"], { cwd });
    expect(built).toMatchObject({ exitCode: 0 });
    expect(built.stderr).toContain(
      "building stg_feedback, stg_impressions, stg_listen_history, stg_recommendations, stg_tracks, stg_users first: never built",
    );
    const tested = await answerOf(["test"], cwd, api);
    expect(tested.exitCode).toBe(0);
    expect(new Set(tested.answer.tests.map(({ status }: { status: string }) => status))).toEqual(
      new Set(["pass", "warn"]),
    );
    const plays = api.data.listen_history.reduce((sum, { items }) => sum + (items?.length ?? 0), 0);
    expect(
      await rowsOf(
        cwd,
        "select count(*) as n, count(user_key) as u, count(track_key) as t from {{ ref('fct_listens') }}",
      ),
    ).toEqual([{ n: plays, u: plays, t: plays }]);
  });

  test("follow what changed at the source", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    expect((await answerOf(["pipeline"], cwd, api)).exitCode).toBe(0);
    const [track] = api.data.tracks;
    if (track !== undefined) Object.assign(track, { name: "Renamed", updated_at: "2026-11-02T00:00:00" });
    api.growBy(5);
    for (const command of [["ingest"], ["models", "--select", "marts"], ["test"]]) {
      expect(await answerOf(command, cwd, api)).toMatchObject({ exitCode: 0 });
    }
    expect(
      await rowsOf(cwd, "select count(*) as n from {{ ref('dim_tracks') }} where track_name = 'Renamed'"),
    ).toEqual([{ n: 1 }]);
    const plays = api.data.listen_history.reduce((sum, { items }) => sum + (items?.length ?? 0), 0);
    expect(await rowsOf(cwd, "select count(*) as n from {{ ref('fct_listens') }}")).toEqual([{ n: plays }]);
  });

  test("keep listens of unknown users and tracks, and report them", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    const moment = "2026-10-01T10:00:00";
    const [track] = api.data.tracks;
    api.data.listen_history.push(
      { user_id: 1, items: [track?.id ?? 0], created_at: moment, updated_at: moment },
      {
        user_id: api.data.users[0]?.id ?? 0,
        items: [2, track?.id ?? 0],
        created_at: moment,
        updated_at: moment,
      },
    );
    const { exitCode, answer } = await answerOf(["pipeline"], cwd, api);
    expect({ exitCode, release: answer.release }).toEqual({ exitCode: 1, release: null });
    const failed = answer.tests.filter(({ status }: { status: string }) => status === "fail");
    expect(failed.map(({ name, failures }: { name: string; failures: number }) => [name, failures])).toEqual([
      ["fct_listens__track_exists", 1],
      ["fct_listens__user_exists", 1],
    ]);
    expect(
      await rowsOf(cwd, "select user_id, user_key from {{ ref('fct_listens') }} where user_id = 1"),
    ).toEqual([{ user_id: 1, user_key: null }]);
  });
});

describe("odd records", () => {
  test("without tracks are kept apart: a null is null, an empty list is empty", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    const user_id = api.data.users[0]?.id ?? 0;
    for (const [day, items] of [null, []].entries()) {
      const moment = `2026-10-0${day + 1}T10:00:00`;
      api.data.listen_history.push({ user_id, items, created_at: moment, updated_at: moment });
    }
    expect(await answerOf(["pipeline"], cwd, api)).toMatchObject({ exitCode: 0 });
    const sql =
      "select track_ids is null as is_null from {{ ref('stg_listen_history') }} where listened_at in (timestamp '2026-10-01 10:00:00', timestamp '2026-10-02 10:00:00') order by listened_at";
    expect(await rowsOf(cwd, sql)).toEqual([{ is_null: true }, { is_null: false }]);
  });

  test("do not withhold a release: a duration that cannot be read is a warning", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    const [track] = api.data.tracks;
    if (track !== undefined) track.duration = "abc";
    const { exitCode, answer } = await answerOf(["pipeline"], cwd, api);
    expect(exitCode).toBe(0);
    const warned = answer.tests.filter(({ status }: { status: string }) => status === "warn");
    expect(warned.map(({ name }: { name: string }) => name)).toContain("not_null_stg_tracks_duration_ms");
  });

  test("a service that suddenly has nothing does not empty what readers see", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    expect(await answerOf(["pipeline"], cwd, api)).toMatchObject({ exitCode: 0 });
    api.data.tracks.length = api.data.users.length = api.data.listen_history.length = 0;
    const { exitCode, answer } = await answerOf(["pipeline"], cwd, api);
    expect({ exitCode, release: answer.release }).toEqual({ exitCode: 1, release: null });
    const allowed = await answerOf(
      ["test", "--vars", "{may_be_empty: [tracks, users, listen_history]}"],
      cwd,
      api,
    );
    expect(allowed).toMatchObject({ exitCode: 0 });
  });
});

describe("artifacts", () => {
  test("of a run that loaded nothing say that it built nothing", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    await answerOf(["pipeline"], cwd, api);
    api.faults = [{ kind: "status", status: 404 }];
    expect(await answerOf(["pipeline"], cwd, api)).toMatchObject({ exitCode: 1 });
    const { results } = JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8"));
    expect(new Set(results.map(({ status }: { status: string }) => status))).toEqual(new Set(["skipped"]));
  });

  test("of a pipeline hold models and tests together, and the compiled SQL", async () => {
    const cwd = copyProject();
    await answerOf(["pipeline"], cwd, await smallApi());
    const read = (file: string) => JSON.parse(readFileSync(join(cwd, "target", file), "utf8"));
    const { args, results, metadata } = read("run_results.json");
    expect(args.which).toBe("build");
    const kinds = new Set(results.map(({ unique_id }: { unique_id: string }) => unique_id.split(".")[0]));
    expect(kinds).toEqual(new Set(["unit_test", "model", "test"]));
    expect(metadata.dbt_schema_version).toBe("https://schemas.getdbt.com/dbt/run-results/v6.json");
    const manifest = read("manifest.json");
    expect(manifest.nodes["model.moovitamix.fct_listens"].depends_on.nodes).toContain(
      "model.moovitamix.dim_users",
    );
    expect(existsSync(join(cwd, "target/compiled/moovitamix/models/marts/fct_listens.sql"))).toBe(true);
    expect(existsSync(join(cwd, "target/runs", metadata.invocation_id, "run_results.json"))).toBe(true);
  });
});

describe("a failed model", () => {
  test("skips its descendants, is named with file and line, and keeps readers on the former release", async () => {
    const cwd = copyProject();
    const api = await smallApi();
    await answerOf(["pipeline"], cwd, api);
    const released = readdirSync(join(cwd, "data/published"));
    const file = join(cwd, "models/marts/dim_users.sql");
    writeFileSync(file, readFileSync(file, "utf8").replace("    gender,", "    gander,"));
    const { exitCode, answer, stderr } = await answerOf(["pipeline"], cwd, api);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("models/marts/dim_users.sql:9:5  Binder Error");
    const statuses = Object.fromEntries(
      answer.models.map(({ name, status }: { name: string; status: string }) => [name, status]),
    );
    expect(statuses).toMatchObject({
      dim_users: "error",
      fct_listens: "skipped",
      dim_tracks: "reused",
      dim_dates: "reused",
    });
    expect(readdirSync(join(cwd, "data/published"))).toEqual(released);
  });
});
