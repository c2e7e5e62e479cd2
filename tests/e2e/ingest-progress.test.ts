import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../moovitamix/server.ts";
import { sendPage, startScriptedApi, trackTexts } from "../ingest/scripted-api.ts";
import { copyProject, run } from "./cli.ts";

test("--json tells how far the load has come as events on stderr, and answers with one document", async () => {
  const api = await startScriptedApi((visit) => {
    const answer = () => sendPage(visit, visit.stream === "tracks" ? trackTexts(250) : []);
    if (visit.page === 3) setTimeout(answer, 1500);
    else answer();
  });
  onTestFinished(() => api.stop());
  const cwd = copyProject();
  const { stdout, stderr } = await run(["ingest", "--json"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  const events = stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const told = events.find(({ info }) => info.name === "stream_progressed");
  expect(told.data).toMatchObject({
    source: "moovitamix",
    stream: "tracks",
    state: "loading",
    page: 2,
    pages: 3,
  });
  expect(told.data).toMatchObject({ records: 200, requests: 3, retries: 0, waits: 0, waits_until: null });
  expect(events.filter(({ info }) => info.name === "stream_loaded")).toHaveLength(3);
  const { totals } = JSON.parse(stdout);
  expect(totals).toMatchObject({
    received: 250,
    new: 250,
    changed: 0,
    unchanged: 0,
    duplicate: 0,
    quarantined: 0,
  });
  const text = await run(["ingest"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  expect(text.stdout).toContain(
    "250 received = 0 new + 0 changed + 250 unchanged + 0 duplicate + 0 quarantined\nnothing new\n",
  );
});

test("a recording is made and replayed by the command", async () => {
  const api = await startApi({ users: 20, tracks: 30, plays: 100 });
  const cwd = copyProject();
  const recorded = await run(["ingest", "--record", "tape", "--json"], {
    cwd,
    env: { MOOVITAMIX_URL: api.url },
  });
  await api.stop();
  const other = copyProject();
  const replayed = await run(["ingest", "--replay", join(cwd, "tape"), "--json"], { cwd: other });
  expect([recorded.exitCode, replayed.exitCode]).toEqual([0, 0]);
  expect(JSON.parse(replayed.stdout).totals).toEqual(JSON.parse(recorded.stdout).totals);
  const manifest = JSON.parse(readFileSync(join(cwd, "tape/recording.json"), "utf8"));
  expect(manifest.sources).toMatchObject({ moovitamix: { variable: "MOOVITAMIX_URL" } });
  const again = await run(["ingest", "--record", "tape"], { cwd });
  expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("holds a recording already") });
  const both = await run(["ingest", "--record", "new", "--replay", "tape"], { cwd });
  expect(both).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("cannot be used with") });
  expect(existsSync(join(cwd, "new"))).toBe(false);
});
