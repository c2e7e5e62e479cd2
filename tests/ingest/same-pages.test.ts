import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { dropRefused } from "../../ingest/quarantine/drop.ts";
import { replayRefused } from "../../ingest/quarantine/replay.ts";
import { resetStream } from "../../ingest/reset.ts";
import { type Form, type ListServer, listSource, rowTexts, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";
import type { World } from "./world.ts";

/** Records in spaced text: new ones, some twice in two ways, some that are refused. */
function mixedTexts(): string[] {
  const rows = rowTexts(95);
  rows[20] = `{"id":76,"name":"again"}`;
  rows[41] = rows[42] ?? "";
  rows[55] = `{"id":40,"name":7}`;
  rows[56] = `{"name":"without a key"}`;
  rows[57] = `{"id":38,"name":"é\u{1F600}"}`;
  return rows;
}

interface Side {
  world: World;
  judged: () => number;
}

/** A source file of the project; the definition itself is the one that the world was given. */
function writeCode({ ctx }: World, text: string): void {
  const folder = join(ctx.projectDir, "ingest/sources");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "limits.ts"), text);
}

/** Two worlds of one list: one may go the short way, the other never does. */
async function withTwins(
  form: Form = "page",
  { list = mixedTexts(), changes = {} }: { list?: string[]; changes?: Partial<RestStreamDefinition> } = {},
) {
  const server = await startListServer({ form, list });
  onTestFinished(() => server.stop());
  const side = async (): Promise<Side> => {
    let judged = 0;
    const record = z.looseObject({ id: z.number().optional(), name: z.string() }).refine(() => ++judged > 0);
    const world = await withWorld({
      url: server.url,
      source: listSource(form, { record, ...changes }),
    });
    writeCode(world, "export const source = 1;\n");
    return { world, judged: () => judged };
  };
  const [short, long] = [await side(), await side()];
  return { server, short, long };
}

/** Loads both and compares all that they hold. Resolves with how many records the first one judged. */
async function loadBoth({ short, long }: { short: Side; long: Side }): Promise<number> {
  const before = short.judged();
  const [ours] = await short.world.load();
  const [theirs] = await long.world.load({ bounds: { full: true } });
  const told = (result: typeof ours) => ({
    status: result?.status,
    loadId: result?.loadId,
    counts: result?.counts,
    pages: result?.pages,
    requests: result?.requests,
    drift: result?.drift,
    code: result?.error?.code,
  });
  expect(told(ours)).toEqual(told(theirs));
  for (const sql of CONTENT) expect(await short.world.rows(sql)).toEqual(await long.world.rows(sql));
  return short.judged() - before;
}

const CONTENT = [
  "select _key, _hash, _from_load, _to_load, _deleted, record from raw_moovitamix.tracks order by all",
  `select load_id, page, "position", reason, "key", record from raw_moovitamix._quarantine order by all`,
  "select * from raw_moovitamix._schema order by all",
  "select * exclude (started_at, ended_at, size_bytes) from raw_moovitamix._loads order by load_id",
  "select * from raw_moovitamix._unfinished",
];

test.each(["page", "offset", "range"] as const)(
  "an unchanged list by %s is told by its pages, and only its first page is judged",
  async (form) => {
    const twins = await withTwins(form);
    expect(await loadBoth(twins)).toBeGreaterThan(90);
    for (let load = 2; load <= 4; load++) expect(await loadBoth(twins)).toBe(ONCE);
    const counts = { received: 95, new: 0, changed: 0, deleted: 0 };
    const [result] = await twins.short.world.load();
    expect(result?.counts).toMatchObject(counts);
    expect(result?.counts.duplicate).toBeGreaterThan(0);
    expect(result?.counts.quarantined).toBeGreaterThan(0);
  },
);

const CHANGES: Record<string, (list: string[]) => void> = {
  "a changed record": (list) => list.splice(70, 1, `{"id":25,"name":"changed"}`),
  "a changed record on the first page": (list) => list.splice(1, 1, `{"id":94,"name":"changed"}`),
  "one more page": (list) => list.push(...rowTexts(12, 200)),
  "one page less": (list) => list.splice(81),
  "one record less in the middle": (list) => list.splice(50, 1),
  "another order": (list) => list.reverse(),
  "a change on the last page": (list) => list.splice(94, 1, `{"id":1,"name":"last"}`),
  "a new member": (list) => list.splice(70, 1, `{"id":25,"name":"x","extra":{"a":1}}`),
  "nothing any more": (list) => list.splice(0),
};

test.each(Object.keys(CHANGES))("%s is loaded as without the short way", async (change) => {
  const twins = await withTwins();
  await loadBoth(twins);
  await loadBoth(twins);
  CHANGES[change]?.(twins.server.list);
  await loadBoth(twins);
  expect(await loadBoth(twins)).toBeLessThanOrEqual(ONCE);
});

/** Records of the first page, which says what the list is. */
const ONCE = 10;

const BETWEEN: Record<string, (world: World, server: ListServer) => Promise<unknown>> = {
  reset: (world) => resetStream(world.ctx, world.engine, { ...streamOf(world), drop: false }),
  "reset with drop": (world) => resetStream(world.ctx, world.engine, { ...streamOf(world), drop: true }),
  "drop of the quarantine": (world) =>
    dropRefused(world.ctx, world.engine, { streams: [streamOf(world)], filter: {}, isDryRun: false }),
  "replay of the quarantine": (world) =>
    replayRefused(world.ctx, world.engine, {
      streams: [lenient(world)],
      filter: { key: "40" },
      isDryRun: false,
    }),
  "a load of a part": (world) => world.load({ bounds: { limit: 15 } }),
  "a killed load": (world) =>
    run(world, "insert into raw_moovitamix._unfinished values ('tracks', 'full', timestamp '2026-01-01')"),
  "rows that somebody removed": (world) => run(world, "delete from raw_moovitamix.tracks where _key = '12'"),
  "a table that somebody dropped": (world) => run(world, "drop table raw_moovitamix.tracks cascade"),
  "loads that were lost": (world) => run(world, "delete from raw_moovitamix._loads"),
};

function streamOf(world: World) {
  const [stream] = world.source.streams;
  if (stream === undefined) throw new Error("no stream");
  return { source: world.source, stream };
}

function lenient(world: World) {
  const { source, stream } = streamOf(world);
  return { source, stream: { ...stream, record: z.looseObject({}) } };
}

async function run(world: World, sql: string): Promise<void> {
  const session = await world.engine.openSession();
  await session.run(sql);
  session.close();
}

test.each(Object.keys(BETWEEN))("after %s everything is judged again", async (what) => {
  const twins = await withTwins();
  await loadBoth(twins);
  for (const { world } of [twins.short, twins.long]) await BETWEEN[what]?.(world, twins.server);
  expect(await loadBoth(twins)).toBeGreaterThan(90);
  expect(await loadBoth(twins)).toBe(ONCE);
});

test("another definition, or a source file with another text, is judged again", async () => {
  const { server, short } = await withTwins();
  await short.world.load();
  const judged = async (text: string) => {
    writeCode(short.world, text);
    const before = short.judged();
    await short.world.load();
    return short.judged() - before;
  };
  expect(await judged("export const least = 1;\n")).toBeGreaterThan(90);
  expect(await judged("export const least = 1;\n")).toBe(ONCE);
  expect(await judged("export const least = 2;\n")).toBeGreaterThan(90);
  expect(await judged("export const least = () => Date.now();\n")).toBeGreaterThan(90);
  expect(await judged("export const least = () => Date.now();\n")).toBeGreaterThan(90);
  const other = await withWorld({ url: server.url, source: listSource("page") });
  writeCode(other, "export const source = 1;\n");
  await other.load();
  const [stream] = other.source.streams;
  const record = z.looseObject({ id: z.number().max(50) });
  Object.assign(Object(stream), { record });
  const [result] = await other.load();
  expect(result?.counts.quarantined).toBeGreaterThan(40);
});

test("--full judges everything, and so does a contract that asks for fresh records", async () => {
  const twins = await withTwins();
  await loadBoth(twins);
  const before = twins.short.judged();
  await twins.short.world.load({ bounds: { full: true } });
  expect(twins.short.judged() - before).toBeGreaterThan(90);
  const fresh = await withTwins("page", {
    list: rowTexts(30).map((text) => text.replace("}", `,"at":"2026-01-15T11:59:00"}`)),
    changes: { contract: { fresh: { field: "at", maxAgeSeconds: 3600 } } },
  });
  await loadBoth(fresh);
  expect(await loadBoth(fresh)).toBe(30);
});

test("more than fits into memory is kept in a file without a name, and comes back whole", async () => {
  const filler = "x".repeat(400_000);
  const list = rowTexts(60).map((text) => text.replace('"T"', `"${filler}"`));
  const twins = await withTwins("page", { list });
  await loadBoth(twins);
  expect(await loadBoth(twins)).toBe(ONCE);
  twins.server.list.splice(59, 1, `{"id":1,"name":"last"}`);
  expect(await loadBoth(twins)).toBe(60);
});
