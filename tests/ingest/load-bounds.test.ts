import { expect, test } from "vitest";
import { cursor, minute, minutes, withFeed } from "./feed.ts";

const modes = `select mode, "cursor" from raw_moovitamix._loads order by load_id`;

test("reads the whole list with --full, concludes deletions, and goes on from its newest record", async () => {
  const feed = await withFeed(minutes(12));
  await feed.world.loadOne("events");
  feed.events = minutes(10);
  const [result] = await feed.world.load({ bounds: { full: true } });
  expect(result?.counts).toMatchObject({ received: 10, unchanged: 10, deleted: 2 });
  expect(await feed.world.rows(modes)).toEqual([
    ["incremental", minute(12)],
    ["full", minute(10)],
  ]);
});

test("loads a part without moving the cursor over a gap", async () => {
  const feed = await withFeed(minutes(20), { filters: false });
  feed.events = minutes(5);
  await feed.world.loadOne("events");
  feed.events = minutes(20);
  const bounds = { since: minute(10), until: minute(15) };
  expect((await feed.world.load({ bounds }))[0]?.counts).toMatchObject({ received: 5, new: 5 });
  expect(await feed.cursor()).toBe(minute(5));
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 16, new: 10, unchanged: 6 });
  expect(await feed.world.rows(modes)).toEqual([
    ["incremental", minute(5)],
    ["backfill", minute(5)],
    ["incremental", minute(20)],
  ]);
});

test("ends after so many records, and moves the cursor only where they come in order", async () => {
  const unordered = await withFeed(minutes(40));
  expect((await unordered.world.load({ bounds: { limit: 13 } }))[0]?.counts).toMatchObject({ received: 13 });
  expect(await unordered.cursor()).toBeNull();
  expect((await unordered.world.loadOne("events")).counts).toMatchObject({ received: 40, unchanged: 13 });
  const ordered = await withFeed(minutes(40), { cursor: { ...cursor, ordered: true } });
  await ordered.world.load({ bounds: { limit: 13 } });
  expect(await ordered.cursor()).toBe(minute(13));
});

test("concludes no deletion from a part of a full list", async () => {
  const feed = await withFeed(minutes(12), { cursor: undefined, stream: { mode: "full" } });
  await feed.world.loadOne("events");
  const [part] = await feed.world.load({ bounds: { limit: 5 } });
  expect(part?.counts).toMatchObject({ received: 5, unchanged: 5, deleted: 0 });
});

test("appends every record of each load, letter-equal ones too", async () => {
  const events = [{ id: 1 }, { id: 1 }, { id: 2 }];
  const feed = await withFeed(events, { cursor: undefined, stream: { mode: "append", key: [] } });
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 3, new: 3 });
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 3, new: 3 });
  expect(await feed.world.texts("events")).toHaveLength(6);
});

test("appends by a cursor what was not there, keeping every text of a key", async () => {
  const feed = await withFeed(minutes(3), { stream: { mode: "append" } });
  await feed.world.loadOne("events");
  feed.events = [...minutes(3), { id: 3, at: minute(3), name: "again" }];
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 2, new: 1, unchanged: 1 });
  expect(await feed.world.texts("events")).toHaveLength(4);
});

test.each([
  [{ since: "yesterday" }, "--since yesterday is no value of the cursor of moovitamix.events"],
  [{ since: minute(2), until: minute(2) }, "is not after --since"],
])("refuses bounds %o that are none", async (bounds, said) => {
  const feed = await withFeed([]);
  await expect(feed.world.load({ bounds })).rejects.toMatchObject({ code: "INGEST_BOUNDS", exitCode: 2 });
  await expect(feed.world.load({ bounds })).rejects.toThrow(said);
});

test("refuses bounds for a stream without a cursor", async () => {
  const feed = await withFeed([], { cursor: undefined, stream: { mode: "full" } });
  await expect(feed.world.load({ bounds: { since: minute(1) } })).rejects.toMatchObject({
    message: expect.stringContaining("moovitamix.events has no cursor"),
    hint: expect.stringContaining("name the streams that have one"),
  });
});
