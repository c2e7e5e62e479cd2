import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { sendPage, startScriptedApi } from "../ingest/scripted-api.ts";
import { run, temporaryFolder } from "./cli.ts";

const PROJECT = {
  "project.yml": "name: shop\nschema_names: exact\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, schema: main, threads: 2}\n",
};
const source = (title: string) => `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({ name: "feed", baseUrl: { env: "FEED_URL" }, streams: [
  { name: "songs", path: "/songs", key: ["id"], record: z.looseObject({ id: z.number(), title: ${title} }) },
  { name: "users", path: "/users", key: ["id"], record: z.looseObject({ id: z.number() }) } ] });
`;

let cwd = "";
let env: Record<string, string> = {};
const LISTS: Record<string, string[]> = {
  songs: ['{"id":1,"title":"A"}', '{"id":2, "title":7}', '{"id":3,"title":null}'],
  users: ['{"id":"x"}'],
};

function write(file: string, text: string): void {
  mkdirSync(join(cwd, file, ".."), { recursive: true });
  writeFileSync(join(cwd, file), text);
}

beforeEach(async () => {
  const api = await startScriptedApi((visit) => sendPage(visit, LISTS[visit.stream] ?? []));
  onTestFinished(() => api.stop());
  env = { FEED_URL: api.url };
  cwd = temporaryFolder();
  for (const [file, text] of Object.entries(PROJECT)) write(file, text);
  write("ingest/sources/feed.ts", source("z.string()"));
});

const quarantine = (...args: string[]) => run(["quarantine", ...args], { cwd, env });

async function answer(...args: string[]) {
  const { stdout, stderr, exitCode } = await quarantine(...args, "--json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout);
}

test("what is refused is listed, shown, replayed and dropped", async () => {
  expect((await quarantine("ls")).stdout).toBe("nothing in quarantine\n");
  // One stream after the other: load ids count over the source.
  const loaded = await run(["ingest", "songs"], { cwd, env });
  expect(loaded.exitCode).toBe(0);
  expect(await run(["ingest", "users"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(loaded.stderr).toContain("feed.songs: 2 in quarantine; to see them: run quarantine show feed.songs");

  const { stdout: list } = await quarantine("ls");
  expect(list).toMatch(/stream +reason +records +loads +last/);
  expect(list).toMatch(/feed\.songs +title: expected string, received number +1 +1 /);
  expect(list).toContain("3 records in quarantine\n");

  const { stdout: shown } = await quarantine("show", "songs", "--reason", "number");
  expect(shown).toMatch(
    /^ {2}feed\.songs {2}load 1, page 1, record 2, key 2 {2}[-\d: ]+\n {4}title: expected string, received number\n {4}\{"id":2, "title":7\}\n\n1 record in quarantine\n$/,
  );
  const { records, total } = await answer("show", "--limit", "1");
  expect({ total, count: records.length }).toEqual({ total: 3, count: 1 });

  expect((await answer("replay")).streams).toMatchObject([
    { stream: "songs", records: 2, stay: 2, load_id: null },
    { stream: "users", records: 1, stay: 1, load_id: null },
  ]);
  write("ingest/sources/feed.ts", source("z.union([z.string(), z.number()])"));
  expect((await quarantine("replay", "--dry-run")).stdout).toContain(
    "1 would leave quarantine, 2 would stay\n",
  );
  const { stdout: replayed } = await quarantine("replay");
  expect(replayed).toMatch(/feed\.songs +2 +1 +0 +0 +0 +1 +3\n/);
  expect(replayed).toContain("1 left quarantine, 2 stay\n");

  const refused = await quarantine("drop", "songs");
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("that would remove records of feed.songs from quarantine for good");
  expect(refused.stderr).toContain("to fix: add --yes when that is meant; --dry-run says how many would go");
  expect((await quarantine("drop", "songs", "--dry-run")).stdout).toContain("1 record would be removed\n");
  expect((await answer("drop", "songs", "--yes")).streams).toEqual([
    { source: "feed", stream: "songs", records: 1 },
  ]);
  expect((await answer("ls")).reasons).toMatchObject([
    { stream: "users", records: 1, first_load: 2, last_load: 2 },
  ]);

  const status = await run(["ingest", "status", "--json"], { cwd, env });
  expect(JSON.parse(status.stdout).streams).toMatchObject([
    { stream: "songs", records: 2, quarantined: 0, last_load: { mode: "full" } },
    { stream: "users", quarantined: 1 },
  ]);
}, 60_000);

test("a call that cannot be meant runs nothing", async () => {
  const all = await quarantine("drop", "--yes");
  expect(all.exitCode).toBe(2);
  expect(all.stderr).toContain("nothing says which records may go");
  expect(all.stderr).toContain(
    "to fix: name streams, or give --reason TEXT, --load ID or --key KEY; --dry-run says how many would go",
  );
  const unknown = await quarantine("ls", "sogns");
  expect(unknown.exitCode).toBe(2);
  expect(unknown.stderr).toContain('unknown stream "sogns"');
  expect((await quarantine("erase")).exitCode).toBe(2);
});
