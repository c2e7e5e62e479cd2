import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { copyProject, run } from "./cli.ts";

/** The answer of a command with --json. */
async function ask(cwd: string, env: Record<string, string>, ...args: string[]) {
  const { stdout, stderr } = await run([...args, "--json"], { cwd, env });
  expect(stdout, stderr).not.toBe("");
  return JSON.parse(stdout);
}

const stamp = (ms: number) => new Date(ms).toISOString().slice(0, 23);

test("a change of taste is seen in two windows, kept as metrics and told by rules", async () => {
  const cwd = copyProject();
  const api = await startApi({ seed: 3, users: 250, tracks: 300, plays: 12_000 });
  onTestFinished(() => api.stop());
  const env = { MOOVITAMIX_URL: api.url };
  const small = "drift: {min_samples: 200}";
  writeFileSync(
    join(cwd, "project.yml"),
    `${readFileSync(join(cwd, "project.yml"), "utf8")}\nreco: {${small}}\nmonitor: {rules: [{name: taste, metric: reco_drift_degree, where: {kind: popularity}, max: 1}]}\n`,
  );
  expect(await run(["pipeline"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(await ask(cwd, env, "reco", "drift")).toMatchObject({
    exit_code: 0,
    model_version: null,
    drift: [],
  });
  expect(await ask(cwd, env, "reco", "train")).toMatchObject({ promoted: true });
  await ask(cwd, env, "reco", "infer");
  const first = await ask(cwd, env, "reco", "drift");
  expect(first).toMatchObject({ exit_code: 0, model_version: 1, windows: [] });
  expect(first.drift.find(({ measure }: { measure: string }) => measure === "list overlap").overlap).toBe(1);

  // For two weeks everybody plays the same few tracks, and nothing else.
  const newest = Math.max(...api.data.listen_history.map(({ created_at }) => Date.parse(`${created_at}Z`)));
  const midnight = Math.floor(newest / 86_400_000) * 86_400_000;
  const [start, users] = [midnight + 86_400_000, api.data.users.map(({ id }) => id)];
  const few = api.data.tracks.slice(0, 3).map(({ id }) => id);
  for (const [place, user_id] of users.entries())
    for (let day = 0; day < 15; day++) {
      const created_at = stamp(start + day * 86_400_000 + place * 1000);
      api.data.listen_history.push({ user_id, items: few, created_at, updated_at: created_at });
    }
  expect(await run(["ingest"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(await run(["models"], { cwd, env })).toMatchObject({ exitCode: 0 });
  const { stdout } = await run(["reco", "drift"], { cwd, env });
  expect(stdout).toMatch(/popularity +track rank +\d+\.\d+ .* severe +severe/);
  const drift = await ask(cwd, env, "reco", "drift");
  expect(drift.windows).toHaveLength(2);
  const rank = drift.drift.find(({ measure }: { measure: string }) => measure === "track rank");
  expect(rank).toMatchObject({ kind: "popularity", now: "severe", degree: "severe" });
  expect(rank.current_samples).toBe(250 * 7 * 3);
  const cold = drift.drift.find(({ measure }: { measure: string }) => measure === "new users");
  expect(cold).toMatchObject({ kind: "cold", most: { current: expect.any(Number) } });
  const shown = await ask(cwd, env, "metrics", "show", "reco_drift_degree");
  expect(JSON.stringify(shown)).toContain("track rank");
  const incidents = await ask(cwd, env, "alerts", "ls");
  expect(JSON.stringify(incidents)).toContain("taste: popularity track rank");
}, 120_000);
