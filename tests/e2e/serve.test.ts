import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import { firstLine } from "../../cli/stand-in.ts";
import { HEADERS } from "../../web/access.ts";
import { send, sendBytes, tell, writeServingStore } from "../reco/serving-files.ts";
import { MAIN, run, temporaryFolder } from "./cli.ts";

const PROFILES =
  "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/warehouse.duckdb, schema: main}}}\n";

function project(reco = "{}"): string {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, "project.yml"), `name: shop\nreco: ${reco}\n`);
  writeFileSync(join(cwd, "profiles.yml"), PROFILES);
  mkdirSync(join(cwd, "data"), { recursive: true });
  writeServingStore(join(cwd, "data/serving"), { name: "a", version: 1 });
  return cwd;
}

async function start(cwd: string, command = "serve"): Promise<{ child: ChildProcess; url: string }> {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [MAIN, command, "--port", "0"], {
    cwd,
    env: { PATH, HOME },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, url: await firstLine(child) };
}

test.each(["serve", "up"])(
  "on SIGTERM run %s says that it is not ready, finishes what runs, and exits 0",
  async (command) => {
    const { child, url } = await start(project(), command);
    expect((await send(url, "/v1/health")).body).toMatchObject({ live: true, ready: true, model_version: 1 });
    child.kill("SIGTERM");
    let health = await send(url, "/v1/health");
    while (health.status === 200) health = await send(url, "/v1/health");
    expect([health.status, health.body.ready, health.headers.connection]).toEqual([503, false, "close"]);
    expect((await send(url, "/v1/users/u0/recommendations")).status).toBe(200);
    expect(await once(child, "exit")).toEqual([0, null]);
  },
);

test.each([
  ["no Host header", "GET /v1/health HTTP/1.1\r\nConnection: close\r\n\r\n", "400"],
  ["no Host header, elsewhere", "GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", "400"],
  ["no HTTP", "hello\r\n\r\n", "400"],
  ["headers that never fit", `GET /v1/health?${"a".repeat(20_000)} HTTP/1.1\r\n\r\n`, "431"],
  ["a tracing method", "TRACE /v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", "405"],
])("run up answers %s with all headers", async (_, bytes, status) => {
  const { url } = await start(project(), "up");
  const text = await sendBytes(url, bytes);
  expect(text).toContain(`HTTP/1.1 ${status} `);
  for (const [name, value] of Object.entries(HEADERS))
    expect(text.toLowerCase()).toContain(`${name}: ${value}`.toLowerCase());
  expect(text.toLowerCase()).toContain("charset=utf-8");
});

test("what was confirmed is there once after SIGKILLs, and is landed once", async () => {
  const cwd = project();
  const confirmed = new Set<string>();
  for (let round = 0; round < 3; round++) {
    const { child, url } = await start(cwd);
    const sending = Array.from({ length: 60 }, async (_, place) => {
      const key = `key-${place % 40}`;
      const event = { user_id: `u${place % 4}`, track_id: `t${place % 40}`, kind: "like" };
      const reply = await tell(url, event, { key }).catch(() => undefined); // killed meanwhile
      if (reply?.status === 201) confirmed.add(key);
      if (place === 20 + 10 * round) child.kill("SIGKILL");
    });
    await Promise.all(sending);
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  }
  const store = new Sqlite(join(cwd, "data/feedback.db"));
  const rows = store.prepare("select key from feedback order by key").all() as { key: string }[]; // its own table
  store.close();
  const keys = rows.map(({ key }) => key);
  expect(keys).toEqual([...new Set(keys)]);
  expect([...confirmed].filter((key) => !keys.includes(key))).toEqual([]);
  expect(confirmed.size).toBeGreaterThan(0);
  const first = JSON.parse((await run(["reco", "collect", "--json"], { cwd })).stdout);
  expect(first).toMatchObject({ exit_code: 0, feedback: keys.length });
  const again = JSON.parse((await run(["reco", "collect", "--json"], { cwd })).stdout);
  expect(again).toMatchObject({ exit_code: 0, feedback: 0, shown_tracks: 0 });
}, 60_000);

test("answers are landed a row a track, and users who were erased go", async () => {
  const cwd = project();
  const { child, url } = await start(cwd, "up");
  await send(url, "/v1/users/u0/recommendations?k=3");
  await send(url, "/v1/users/u1/recommendations?k=2");
  await tell(url, { user_id: "u1", track_id: "t1", kind: "listen", listened_ms: 40_000 });
  child.kill("SIGTERM");
  await once(child, "exit");
  const collected = JSON.parse((await run(["reco", "collect", "--json"], { cwd })).stdout);
  expect(collected).toMatchObject({ feedback: 1, shown_tracks: 5, erased: 0 });
  const second = await start(cwd);
  expect((await send(second.url, "/v1/users/u1", { method: "DELETE" })).status).toBe(200);
  second.child.kill("SIGTERM");
  await once(second.child, "exit");
  const after = JSON.parse((await run(["reco", "collect", "--json"], { cwd })).stdout);
  expect(after).toMatchObject({ feedback: 0, shown_tracks: 0, erased: 1 });
  const left = await run(
    [
      "show",
      "--json",
      "--inline",
      "select user_id, count(*) as n from raw_reco.impressions group by user_id",
    ],
    { cwd },
  );
  expect(JSON.parse(left.stdout).rows).toEqual([{ user_id: "u0", n: 3 }]);
}, 60_000);

test("a store of feedback that is damaged is told before anything is served", async () => {
  const cwd = project();
  writeFileSync(join(cwd, "data/feedback.db"), "no database, but some text that is long enough to be read");
  const { exitCode, stdout, stderr } = await run(["serve", "--port", "0", "--json"], { cwd });
  expect(exitCode).toBe(4);
  expect(JSON.parse(stdout).errors[0].code).toBe("FEEDBACK_UNREADABLE");
  expect(stderr).toContain("the store of feedback cannot be opened");
  expect(stderr).toContain("to fix: check its permissions and the free space");
});
