import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { type Event, minute, minutes } from "../ingest/feed.ts";
import { sendPage, startScriptedApi } from "../ingest/scripted-api.ts";
import { run, temporaryFolder } from "./cli.ts";

const FILES = {
  "project.yml": "name: shop\nschema_names: exact\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, schema: main, threads: 2}\n",
  "ingest/sources/feed.ts": `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({ name: "feed", baseUrl: { env: "FEED_URL" }, pageSize: 10, streams: [
  { name: "events", path: "/events", key: ["id"], record: z.looseObject({ id: z.number() }), mode: "incremental",
    cursor: { field: "at", parameter: "since" } },
  { name: "users", path: "/users", key: ["id"], record: z.looseObject({ id: z.number() }) } ] });
`,
  "models/feed.yml":
    "sources:\n  - name: feed\n    schema: raw_feed\n    tables:\n      - {name: users, identifier: users_latest}\n",
  "models/stg_users.sql":
    "-- One row per user.\nselect cast(_key as bigint) as user_id from {{ source('feed', 'users') }}\n",
  "models/user_count.sql": "-- One row.\nselect count(*) as users from {{ ref('stg_users') }}\n",
};

let lists: Record<string, Event[]> = {};
let cwd = "";
let env: Record<string, string> = {};

beforeEach(async () => {
  lists = { events: minutes(3), users: minutes(3) };
  const api = await startScriptedApi((visit) =>
    sendPage(
      visit,
      (lists[visit.stream] ?? []).map((record) => JSON.stringify(record)),
    ),
  );
  onTestFinished(() => api.stop());
  env = { FEED_URL: api.url };
  cwd = temporaryFolder();
  for (const [file, text] of Object.entries(FILES)) {
    mkdirSync(join(cwd, file, ".."), { recursive: true });
    writeFileSync(join(cwd, file), text);
  }
});

const command = (...args: string[]) => run(args, { cwd, env });

async function answer(...args: string[]) {
  const { stdout, stderr, exitCode } = await command(...args, "--json");
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** Two loads of both streams: 1 and 2 of three records each; then one user is gone and one changed. */
async function loadTwice(): Promise<void> {
  await answer("ingest", "users");
  await answer("ingest", "events");
  lists.users = [
    { id: 1, at: minute(1) },
    { id: 2, at: minute(9) },
  ];
  await answer("ingest", "users");
}

test("status tells what is there, now and as of a load", async () => {
  await loadTwice();
  const { streams } = await answer("ingest", "status");
  expect(streams).toMatchObject([
    { stream: "events", mode: "incremental", cursor: minute(3), records: 3, last_load: { load_id: 2 } },
    { stream: "users", records: 2, versions: 4, deleted: 1, quarantined: 0, last_load: { outcome: "ok" } },
  ]);
  const then = await answer("ingest", "status", "--as-of", "1");
  expect(then.streams).toMatchObject([
    { stream: "events", cursor: null, records: 0, last_load: null },
    { stream: "users", records: 3, versions: 3, deleted: 0 },
  ]);
  const { stdout } = await command("ingest", "status", "users");
  expect(stdout).toMatch(/feed\.users +full +3 ok/);
});

test("models and show read the sources as of a load", async () => {
  await loadTwice();
  await answer("models");
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 2 }]);
  expect((await answer("show", "user_count", "--as-of", "1")).rows).toEqual([{ users: 3 }]);
  expect((await answer("show", "user_count", "--as-of", "2020-01-01")).rows).toEqual([{ users: 0 }]);
  await answer("models", "--as-of", "1");
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 3 }]);
  await answer("models", "--as-of", "0");
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 0 }]);
  await answer("models");
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 2 }]);
});

test("changes tell what each load did", async () => {
  await loadTwice();
  const sql =
    "select load_id, _key, change, former_record is not null as had from raw_feed.users_changes order by 1, 2";
  expect((await answer("show", "--inline", sql)).rows.map(Object.values)).toEqual([
    [1, "1", "insert", false],
    [1, "2", "insert", false],
    [1, "3", "insert", false],
    [3, "2", "update", true],
    [3, "3", "delete", true],
  ]);
});

test("reset makes the next load a whole one; --drop removes records when --yes is given", async () => {
  await loadTwice();
  await answer("ingest", "reset", "events");
  const { streams } = await answer("ingest", "events", "--dry-run");
  expect(streams).toMatchObject([
    { mode: "incremental", since: null, cursor: null, first_records: 3, pages: 1 },
  ]);
  const refused = await command("ingest", "reset", "users", "--drop");
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("--drop would remove every version of feed.users");
  expect(refused.stderr).toContain("add --yes when that is meant");
  const dropped = await answer("ingest", "reset", "users", "--drop", "--yes");
  expect(dropped.streams).toMatchObject([{ stream: "users", versions: 5 }]);
});

test("models that read a stream are made anew after a reset that dropped it, and after a new load", async () => {
  await answer("ingest", "users");
  const ran = async () => {
    const { models } = await answer("models");
    return models.map((model: { name: string; status: string }) => `${model.name} ${model.status}`);
  };
  await ran();
  expect(await ran()).toEqual(["stg_users reused", "user_count reused"]);
  await answer("ingest", "users");
  expect(await ran()).toEqual(["stg_users reused", "user_count reused"]);
  await answer("ingest", "reset", "users", "--drop", "--yes");
  await ran();
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 0 }]);
  await answer("ingest", "users");
  await ran();
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 3 }]);
});

test("after a reset that dropped a stream, reads as of before find it empty and say so", async () => {
  await loadTwice();
  await answer("ingest", "reset", "users", "--drop", "--yes");
  await answer("ingest", "users");
  const then = await command("show", "user_count", "--as-of", "1", "--json");
  expect(JSON.parse(then.stdout).rows).toEqual([{ users: 0 }]);
  expect(then.stderr).toContain(
    "raw_feed.users is empty as of load 1: run ingest reset --drop removed its records",
  );
  const now = await command("show", "user_count", "--as-of", "2099-01-01", "--json");
  expect(JSON.parse(now.stdout).rows).toEqual([{ users: 2 }]);
  expect(now.stderr).not.toContain("is empty");
});

test("a dry run of models as of a load checks the moment and changes nothing", async () => {
  await loadTwice();
  await answer("models");
  expect((await answer("models", "--as-of", "1", "--dry-run")).nodes).toHaveLength(2);
  expect((await answer("show", "user_count")).rows).toEqual([{ users: 2 }]);
  const wrong = await command("models", "--as-of", "77", "--dry-run");
  expect(wrong).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("there is no load 77") });
  await answer("ingest", "prune", "--keep", "0");
  const pruned = await command("models", "--as-of", "1", "--dry-run");
  expect(pruned).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("cannot be read as of load 1"),
  });
});

test("a dry run writes nothing and says where a load would begin", async () => {
  const { streams } = await answer("ingest", "--dry-run", "--since", minute(2), "feed.events");
  expect(streams).toMatchObject([{ mode: "backfill", since: minute(2), until: null, limit: null }]);
  expect((await command("show", "--inline", "select 1")).stderr).toContain("there is no warehouse yet");
});

test("prune removes ended versions only, and as-of before them is refused", async () => {
  await loadTwice();
  const usage = await command("ingest", "prune");
  expect([usage.exitCode, usage.stderr]).toEqual([
    2,
    expect.stringContaining("nothing says which versions may go"),
  ]);
  const dry = await answer("ingest", "prune", "--keep", "0", "--dry-run");
  expect(dry.streams[1]).toMatchObject({ stream: "users", versions: 5, removed: 2, readable_from: 3 });
  expect((await answer("ingest", "prune", "--older-than", "1")).streams[1]).toMatchObject({ removed: 0 });
  await answer("ingest", "prune", "--keep", "0");
  expect((await answer("ingest", "status", "users")).streams).toMatchObject([
    { records: 2, versions: 2, deleted: 1 },
  ]);
  const gone = await command("show", "user_count", "--as-of", "1");
  expect(gone).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining("raw_feed cannot be read as of load 1"),
  });
  expect(gone.stderr).toContain("ask for load 3 or later");
});

test.each([
  ["soon", "--as-of soon is neither a load id nor a time", "give a time such as"],
  ["99", "there is no load 99", "lists them"],
])("refuses --as-of %s", async (moment, message, hint) => {
  await answer("ingest", "users");
  const { exitCode, stderr } = await command("ingest", "status", "--as-of", moment);
  expect([exitCode, stderr.includes(message), stderr.includes(hint)]).toEqual([2, true, true]);
});

test("status tells since which load records are different, and how", async () => {
  await loadTwice();
  lists.users = [
    { id: 1, at: minute(1), mood: "calm" },
    { id: 2, at: minute(9) },
  ] as Event[];
  const { streams } = await answer("ingest", "users");
  const change = {
    change: "new",
    member: "mood",
    former: null,
    types: ["string"],
    records: 1,
    of_records: 2,
  };
  expect(streams[0].drift).toEqual([{ ...change, guess: false }]);
  const status = await answer("ingest", "status", "users");
  expect(status.streams[0].drift).toEqual([{ since_load: 4, ...change, guess: false }]);
  expect((await answer("ingest", "status", "users", "--as-of", "3")).streams[0].drift).toEqual([]);
  const { stdout } = await command("ingest", "status", "users");
  expect(stdout).toContain(
    "\nchanges of the records\n  feed.users, since load 4: mood is new (string) in 1 of 2 records\n",
  );
});
