import { expect, test } from "vitest";
import { sendPage, trackText, trackTexts } from "./scripted-api.ts";
import { withScript } from "./setup.ts";
import type { World } from "./world.ts";

/** A world whose list of tracks is whatever `list.tracks` holds at the time of a load. */
async function withTracks(tracks: string[]) {
  const list = { tracks };
  const { api, world } = await withScript((visit) => sendPage(visit, list.tracks));
  return { list, api, world };
}

const versionsOf = (world: World, key: string) =>
  world.rows(
    `select _from_load, _to_load, _deleted, record from raw_moovitamix.tracks where _key = '${key}' order by _from_load, _to_load nulls last`,
  );

const old = (id: number) => trackText(id, { updated_at: '"2025-01-01T00:00:00"' });
const late = (id: number) => trackText(id, { updated_at: '"2025-01-01T00:00:00.5"' });

test("ends the version of a changed record and adds the new one", async () => {
  const { list, world } = await withTracks([old(1), old(2)]);
  await world.loadOne("tracks");
  list.tracks = [late(1), old(2)];
  expect((await world.loadOne("tracks")).counts).toMatchObject({
    received: 2,
    changed: 1,
    unchanged: 1,
    new: 0,
  });
  expect(await versionsOf(world, "1")).toEqual([
    ["1", "2", false, old(1)],
    ["2", null, false, late(1)],
  ]);
});

test("marks what is gone as deleted with its last text, and counts it as new when it is back", async () => {
  const { list, world } = await withTracks(trackTexts(3));
  await world.loadOne("tracks");
  list.tracks = trackTexts(2);
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 2, deleted: 1 });
  expect(await world.texts("tracks")).toEqual(trackTexts(2));
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 2, deleted: 0 });
  list.tracks = trackTexts(3);
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 2, new: 1, changed: 0 });
  expect(await versionsOf(world, "3")).toEqual([
    ["1", "2", false, trackText(3)],
    ["2", "4", true, trackText(3)],
    ["4", null, false, trackText(3)],
  ]);
});

test("deletes everything when the list is empty", async () => {
  const { list, world } = await withTracks(trackTexts(120));
  await world.loadOne("tracks");
  list.tracks = [];
  expect((await world.loadOne("tracks")).counts).toMatchObject({ received: 0, deleted: 120 });
  expect(await world.texts("tracks")).toEqual([]);
});

test("lands a record that comes twice once", async () => {
  const { world } = await withTracks([...trackTexts(150), trackText(7), trackText(7)]);
  expect((await world.loadOne("tracks")).counts).toMatchObject({ received: 152, new: 150, duplicate: 2 });
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 150, duplicate: 2 });
  expect(await versionsOf(world, "7")).toHaveLength(1);
});

test("lets the newest of two texts of a key win and keeps the other as an earlier version", async () => {
  const { world } = await withTracks([late(1), old(1), old(1)]);
  expect((await world.loadOne("tracks")).counts).toMatchObject({
    received: 3,
    new: 1,
    changed: 1,
    duplicate: 1,
  });
  expect(await versionsOf(world, "1")).toEqual([
    ["1", "1", false, old(1)],
    ["1", null, false, late(1)],
  ]);
  const again = await world.loadOne("tracks");
  expect(again.counts).toMatchObject({ received: 3, unchanged: 1, duplicate: 2, changed: 0 });
  expect(await versionsOf(world, "1")).toHaveLength(2);
});

test("lets the last text win between texts of one moment", async () => {
  const [first, second] = [trackText(1, { name: '"a"' }), trackText(1, { name: '"b"' })];
  const { world } = await withTracks([second, first]);
  await world.loadOne("tracks");
  expect(await world.texts("tracks")).toEqual([first]);
});

test("compares moments across zones", async () => {
  const earlier = trackText(1, { updated_at: '"2025-06-01T10:30:00+02:00"' });
  const later = trackText(1, { updated_at: '"2025-06-01T09:00:00Z"' });
  const { world } = await withTracks([later, earlier]);
  await world.loadOne("tracks");
  expect(await world.texts("tracks")).toEqual([later]);
});

test("goes back to an earlier text as a change", async () => {
  const { list, world } = await withTracks([late(1)]);
  await world.loadOne("tracks");
  list.tracks = [old(1)];
  await world.loadOne("tracks");
  list.tracks = [late(1)];
  expect((await world.loadOne("tracks")).counts).toMatchObject({ received: 1, changed: 1 });
  expect(await world.texts("tracks")).toEqual([late(1)]);
});
