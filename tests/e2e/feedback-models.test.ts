import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { firstLine } from "../../cli/stand-in.ts";
import { startApi } from "../../moovitamix/server.ts";
import { send, tell } from "../reco/serving-files.ts";
import { copyProject, MAIN, run } from "./cli.ts";

async function rowsOf(cwd: string, sql: string): Promise<Record<string, unknown>[]> {
  const { stdout } = await run(["show", "--limit", "1000", "--json", "--inline", sql], { cwd });
  return JSON.parse(stdout).rows;
}

interface Item {
  track_id: string;
}

test("what listeners say of shown tracks becomes success rates, variety and exposure", async () => {
  const cwd = copyProject();
  const api = await startApi({ seed: 3, users: 250, tracks: 300, plays: 12_000 });
  onTestFinished(() => api.stop());
  const env = { MOOVITAMIX_URL: api.url };
  expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(await rowsOf(cwd, "select count(*) as n from {{ ref('reco_success_rates') }}")).toEqual([{ n: 0 }]);
  for (const step of ["train", "infer"])
    expect(await run(["reco", step], { cwd })).toMatchObject({ exitCode: 0 });
  const [user] = await rowsOf(
    cwd,
    "select user_id from {{ ref('recommendations') }} order by user_id limit 1",
  );
  const { PATH = "", HOME = "" } = process.env;
  const server = spawn(process.execPath, [MAIN, "serve", "--port", "0"], {
    cwd,
    env: { PATH, HOME },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void server.kill("SIGKILL"));
  const url = await firstLine(server);
  const who = String(user?.user_id);
  const { body } = await send(url, `/v1/users/${who}/recommendations?k=4`);
  const [first = "", second = "", third = "", fourth = ""] = body.items.map(({ track_id }: Item) => track_id);
  await send(url, "/v1/users/nobody/recommendations?k=2");
  await tell(url, { user_id: who, track_id: first, kind: "like" }, { key: "a" });
  await tell(url, { user_id: who, track_id: second, kind: "listen", listened_ms: 90_000 }, { key: "b" });
  await tell(url, { user_id: who, track_id: third, kind: "skip", listened_ms: 900 }, { key: "c" });
  await tell(url, { user_id: who, track_id: fourth, kind: "dislike" }, { key: "d" });
  server.kill("SIGTERM");
  await once(server, "exit");

  const built = await run(["pipeline"], { cwd, env });
  expect(built.exitCode, built.stderr).toBe(0);
  expect(built.stderr).toContain("4 events of feedback and 6 shown tracks landed");
  expect(
    await rowsOf(
      cwd,
      "select user_id = 'nobody' as s, position, outcome from {{ ref('fct_impressions') }} order by s, position",
    ),
  ).toEqual([
    { s: false, position: 1, outcome: "liked" },
    { s: false, position: 2, outcome: "listened" },
    { s: false, position: 3, outcome: "skipped" },
    { s: false, position: 4, outcome: "disliked" },
    { s: true, position: 1, outcome: "none" },
    { s: true, position: 2, outcome: "none" },
  ]);
  expect(
    await rowsOf(
      cwd,
      "select model_version, shelf, sum(successes) as good, sum(failures) as bad, sum(impressions) as n from {{ ref('reco_success_rates') }} group by model_version, shelf",
    ),
  ).toEqual([{ model_version: 1, shelf: "discover", good: 2, bad: 2, n: 6 }]);
  const [list] = await rowsOf(
    cwd,
    "select tracks, success_rate, taste_cosine between 0 and 1 as near from {{ ref('fct_recommended_lists') }} where user_key is not null",
  );
  expect(list).toEqual({ tracks: 4, success_rate: 0.5, near: true });
  const [exposure] = await rowsOf(
    cwd,
    "select users, impressions, gini > 0.9 as u from {{ ref('reco_exposures') }}",
  );
  expect(exposure).toEqual({ users: 2, impressions: 6, u: true });

  const inferred = JSON.parse((await run(["reco", "infer", "--json"], { cwd })).stdout);
  expect(inferred).toMatchObject({ exit_code: 0, users: 1, skipped: 249 });
  const lists = await rowsOf(
    cwd,
    `select shelf, track_id, why from {{ ref('recommendations') }} where user_id = ${who}`,
  );
  const listed = new Map(lists.map(({ shelf, track_id, why }) => [`${shelf} ${track_id}`, why]));
  expect(listed.get(`on_repeat ${first}`)).toBe("you like it");
  for (const gone of [`discover ${first}`, `discover ${fourth}`, `on_repeat ${fourth}`])
    expect(listed.has(gone)).toBe(false);
  const retrained = JSON.parse((await run(["reco", "train", "--json"], { cwd })).stdout);
  expect(retrained).toMatchObject({ exit_code: 0, model_version: 2 });
  const { experiments } = JSON.parse((await run(["reco", "experiments", "--json"], { cwd })).stdout);
  expect(experiments.map((row: { data_version: { feedback: number } }) => row.data_version.feedback)).toEqual(
    [4, 0],
  );
}, 120_000);

test("a damaged store of feedback holds up no pipeline", async () => {
  const cwd = copyProject();
  const api = await startApi({ seed: 3, users: 20, tracks: 30, plays: 200 });
  onTestFinished(() => api.stop());
  const env = { MOOVITAMIX_URL: api.url };
  expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  writeFileSync(`${cwd}/data/feedback.db`, "no database, but some text that is long enough to be read");
  const { exitCode, stderr } = await run(["pipeline"], { cwd, env });
  expect(exitCode).toBe(0);
  expect(stderr).toContain("warning: the store of feedback cannot be opened");
}, 60_000);
