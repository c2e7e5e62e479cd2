import { expect, test } from "vitest";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { dropRefused } from "../../ingest/quarantine/drop.ts";
import { type QuarantineFilter, refusedGroups, refusedRecords } from "../../ingest/quarantine/records.ts";
import { replayRefused } from "../../ingest/quarantine/replay.ts";
import { sendPage } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

const song = (id: number, title: unknown, more: object = {}) => JSON.stringify({ id, title, ...more });

/** The contract wants texts as titles, until it is relaxed. */
async function withSongs(changes: Partial<RestStreamDefinition> = {}) {
  const service: { list: string[] } = { list: [] };
  const title: { schema: z.ZodType } = {
    schema: z.unknown().refine((value) => typeof value === "string", "expected a text"),
  };
  const stream: RestStreamDefinition = {
    name: "songs",
    path: "/songs",
    key: ["id"],
    record: z.looseObject({ id: z.int(), title: z.unknown() }).superRefine((record, context) => {
      if (!title.schema.safeParse(record.title).success)
        context.addIssue({ code: "custom", path: ["title"], message: "expected a text" });
    }),
    ...changes,
  };
  const source = { name: "shop", baseUrl: { env: "MOOVITAMIX_URL" }, streams: [stream] };
  const { world } = await withScript((visit) => sendPage(visit, service.list), { source });
  const choice = (filter: QuarantineFilter = {}) => ({ streams: [{ source, stream }], filter });
  return {
    world,
    choice,
    load: async (list: string[]) => {
      service.list = list;
      const result = await world.loadOne("songs");
      expect(result.error).toBeNull();
      return result.counts;
    },
    relax: () => {
      title.schema = z.unknown().refine((value) => value !== null);
    },
    replay: async (filter: QuarantineFilter = {}, isDryRun = false) => {
      const [result] = await replayRefused(world.ctx, world.engine, { ...choice(filter), isDryRun });
      if (result === undefined) throw new Error("no result");
      return result;
    },
    versions: () =>
      world.rows(
        "select record, _from_load, _to_load from raw_shop.songs where not _deleted order by _key, _from_load, _to_load",
      ),
  };
}

const LEFT = "select record from raw_shop._quarantine order by load_id, page, position";

test("counts and shows what is in quarantine, by stream, reason, load and key", async () => {
  const { world, choice, load } = await withSongs();
  await load([song(1, "a"), song(2, 7), "7"]);
  await load([song(1, "a"), song(3, true)]);
  const groups = await refusedGroups(world.engine, choice());
  expect(groups).toMatchObject([
    {
      source: "shop",
      stream: "songs",
      reason: "title: expected a text",
      records: 2,
      firstLoad: 1,
      lastLoad: 2,
    },
    { reason: "expected object, received number", records: 1, firstLoad: 1, lastLoad: 1 },
  ]);
  const shown = async (filter: QuarantineFilter, limit = 10) => {
    const { records, total } = await refusedRecords(world.engine, choice(filter), limit);
    return [records.map(({ record }) => record), total];
  };
  expect(await shown({})).toEqual([[song(3, true), song(2, 7), "7"], 3]);
  expect(await shown({}, 1)).toEqual([[song(3, true)], 3]);
  expect(await shown({ reason: "title" })).toEqual([[song(3, true), song(2, 7)], 2]);
  expect(await shown({ load: 1, key: "2" })).toEqual([[song(2, 7)], 1]);
  expect(await shown({ reason: "O'Hara" })).toEqual([[], 0]);
});

test("replay loads what passes today's contract, in a load of its own, and leaves the rest", async () => {
  const { world, load, relax, replay, versions } = await withSongs();
  await load([song(1, "a"), song(2, 7), song(3, null), song(4, 8)]);
  expect(await replay()).toMatchObject({ records: 3, stay: 3, loadId: null });
  relax();
  const result = await replay();
  expect(result).toMatchObject({ records: 3, stay: 1, loadId: 2, counts: { received: 2, new: 2 } });
  expect(await versions()).toEqual([
    [song(1, "a"), "1", null],
    [song(2, 7), "2", null],
    [song(4, 8), "2", null],
  ]);
  expect(await world.rows(LEFT)).toEqual([[song(3, null)]]);
  const loads = "select load_id, mode, outcome, received, new, quarantined from raw_shop._loads order by 1";
  expect(await world.rows(loads)).toEqual([
    ["1", "full", "ok", "4", "1", "3"],
    ["2", "replay", "ok", "2", "2", "0"],
  ]);
});

test("a dry run tells the same and changes nothing", async () => {
  const { world, load, relax, replay, versions } = await withSongs();
  await load([song(1, "a"), song(2, 7), song(3, 8)]);
  relax();
  const before = await versions();
  expect(await replay({ key: "2" }, true)).toMatchObject({
    records: 1,
    stay: 0,
    loadId: null,
    counts: { new: 1 },
  });
  expect(await versions()).toEqual(before);
  expect(await world.rows(LEFT)).toEqual([[song(2, 7)], [song(3, 8)]]);
  expect(await replay({ key: "2" })).toMatchObject({ loadId: 2, counts: { new: 1 } });
  expect(await world.rows(LEFT)).toEqual([[song(3, 8)]]);
});

test("a replayed record follows an older version, and never a newer one", async () => {
  const { load, relax, replay, versions } = await withSongs();
  await load([song(1, "a"), song(2, "b")]);
  await load([song(1, 7), song(2, 8)]);
  await load([song(1, "c"), song(2, 8)]);
  relax();
  expect((await replay()).counts).toMatchObject({ received: 2, changed: 2 });
  expect(await versions()).toEqual([
    [song(1, "a"), "1", "3"],
    [song(1, "c"), "3", null],
    [song(1, 7), "4", "4"],
    [song(2, "b"), "1", "4"],
    [song(2, 8), "4", null],
  ]);
});

test("the newer time stamp decides where there is one", async () => {
  const at = (minute: number) => ({ at: `2026-01-01T00:0${minute}:00Z` });
  const { load, relax, replay, versions } = await withSongs({ updatedAt: "at" });
  await load([song(1, 7, at(5)), song(2, 8, at(1))]);
  await load([song(1, "a", at(3)), song(2, "b", at(3))]);
  relax();
  await replay();
  expect(await versions()).toEqual([
    [song(1, "a", at(3)), "2", "3"],
    [song(1, 7, at(5)), "3", null],
    [song(2, "b", at(3)), "2", null],
    [song(2, 8, at(1)), "3", "3"],
  ]);
});

test("a record that is gone since does not come back to life", async () => {
  const { world, load, relax, replay } = await withSongs();
  await load([song(1, "a"), song(2, 7)]);
  await load([song(1, "a"), song(2, "b")]);
  await load([song(1, "a")]);
  relax();
  expect(await replay()).toMatchObject({ stay: 0, counts: { changed: 1 } });
  expect(await world.rows("select record from raw_shop.songs_latest")).toEqual([[song(1, "a")]]);
});

test("what was landed meanwhile only leaves quarantine", async () => {
  const { world, load, relax, replay } = await withSongs();
  await load([song(1, 7)]);
  relax();
  await load([song(1, 7)]);
  expect((await replay()).counts).toMatchObject({ received: 1, unchanged: 1 });
  expect(await world.rows(LEFT)).toEqual([]);
  expect(await world.rows("select count(*) from raw_shop.songs")).toEqual([["1"]]);
});

test("replay and drop leave the cursor where it was", async () => {
  const { world, choice, load, relax, replay } = await withSongs({
    mode: "incremental",
    cursor: { field: "n", type: "number" },
  });
  await load([song(1, "a", { n: 5 }), song(2, 7, { n: 6 }), song(3, null, { n: 7 })]);
  relax();
  await replay();
  await dropRefused(world.ctx, world.engine, { ...choice(), isDryRun: false });
  expect(await load([song(9, "old", { n: 3 }), song(4, "b", { n: 8 })])).toMatchObject({
    received: 1,
    new: 1,
  });
});

test("more records than are judged at once", async () => {
  const { world, load, relax, replay } = await withSongs();
  await load(Array.from({ length: 4500 }, (_, id) => song(id, id % 3 === 0 ? null : id)));
  relax();
  expect(await replay()).toMatchObject({ records: 4500, stay: 1500, counts: { received: 3000, new: 3000 } });
  expect(await world.rows("select count(*) from raw_shop.songs_latest")).toEqual([["3000"]]);
});

test("an append stream adds what passes", async () => {
  const { world, load, relax, replay } = await withSongs({ mode: "append" });
  await load([song(1, "a"), song(1, 7)]);
  relax();
  expect((await replay()).counts).toMatchObject({ received: 1, new: 1 });
  expect(await world.rows("select count(*) from raw_shop.songs_latest")).toEqual([["2"]]);
});

test("drop removes what is chosen, and notes it", async () => {
  const { world, choice, load } = await withSongs();
  await load([song(1, 7), song(2, null), "7"]);
  const drop = (filter: QuarantineFilter, isDryRun = false) =>
    dropRefused(world.ctx, world.engine, { ...choice(filter), isDryRun });
  expect(await drop({ reason: "title" }, true)).toEqual([{ source: "shop", stream: "songs", records: 2 }]);
  expect(await world.rows("select count(*) from raw_shop._quarantine")).toEqual([["3"]]);
  expect(await drop({ reason: "title" })).toEqual([{ source: "shop", stream: "songs", records: 2 }]);
  expect(await world.rows(LEFT)).toEqual([["7"]]);
  expect(await drop({ load: 9 })).toEqual([{ source: "shop", stream: "songs", records: 0 }]);
  expect(await world.rows("select mode from raw_shop._loads order by load_id")).toEqual([["full"], ["drop"]]);
});
