import { expect, test } from "vitest";
import { listenText, sendBody, sendPage, trackText, trackTexts } from "./scripted-api.ts";
import { withApi, withScript } from "./setup.ts";

const STREAMS = ["tracks", "users", "listen_history"] as const;

test("lands every record of every stream as it was sent", async () => {
  const { api, world } = await withApi();
  const results = await world.load();
  expect(results.map(({ stream, status }) => [stream, status])).toEqual(STREAMS.map((name) => [name, "ok"]));
  for (const stream of STREAMS) {
    expect(await world.texts(stream)).toEqual(
      api.data[stream].map((record) => JSON.stringify(record)).sort(),
    );
  }
});

test("keeps numbers, escapes, spaces and scripts exactly", async () => {
  const odd =
    '{ "a" : [1.10, 1e5,-0, 1e400, 123456789012345678901234567890.5], "b":"\\u00e9é\\/" ,"c":"مرحبا 😀\\u0000" }';
  const texts = [
    trackText(1, { extra: odd }),
    trackText(2, { name: '"\\"]},{[\\\\"' }),
    trackText(3, { name: '""' }),
  ];
  const { world } = await withScript((visit) =>
    sendBody(visit.response, `\uFEFF{ "total":3,\n"items" : [ ${texts.join(" ,\n ")} ] , "page":1 }`),
  );
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 3, new: 3 } });
  expect(await world.texts("tracks")).toEqual([...texts].sort());
});

test("tells keys beyond 2^53 apart", async () => {
  const texts = ["9007199254740993", "9007199254740992"].map((id) => trackText(id));
  const { world } = await withScript((visit) => sendPage(visit, texts));
  await world.load({ streams: ["tracks"] });
  expect(await world.rows("select _key from raw_moovitamix.tracks_latest order by _key")).toEqual([
    ["9007199254740992"],
    ["9007199254740993"],
  ]);
});

test("knows a listen by its user and moment, and by its content when the user is null", async () => {
  const { world } = await withScript((visit) =>
    sendPage(visit, [listenText("31299", "[1]"), listenText("null", "[2]"), listenText("null", "[3]")]),
  );
  expect((await world.loadOne("listen_history")).counts).toMatchObject({
    received: 3,
    new: 3,
    quarantined: 0,
  });
  const found = await world.rows("select _key, _key = _hash from raw_moovitamix.listen_history_latest");
  expect(found).toContainEqual(['[31299,"2025-05-08T08:22:06.200535"]', false]);
  expect(found.filter(([, isContent]) => isContent)).toHaveLength(2);
});

test("lands strings of 10 MB", async () => {
  const big = trackText(1, { album: JSON.stringify("é".repeat(5_000_000)) });
  const { world } = await withScript((visit) => sendPage(visit, [big, trackText(2)]));
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", sizeBytes: expect.any(Number) });
  expect(await world.texts("tracks")).toEqual([big, trackText(2)].sort());
});

test("writes no record when nothing changed, only the row of the load", async () => {
  const { world } = await withApi();
  await world.load();
  const [before] = await world.rows("select count(*) from raw_moovitamix.tracks");
  const again = await world.loadOne("tracks");
  expect(again.counts).toMatchObject({ received: 250, unchanged: 250, new: 0, changed: 0, deleted: 0 });
  expect(await world.rows("select count(*) from raw_moovitamix.tracks")).toEqual([before]);
  expect(
    await world.rows(
      'select load_id, stream, mode, outcome, unchanged, pages, requests, "cursor", error from raw_moovitamix._loads order by load_id desc limit 1',
    ),
  ).toEqual([["4", "tracks", "full", "ok", "250", "3", "4", null, null]]);
});

test("has all rows of a load loaded at one moment, and load ids that increase", async () => {
  const { world } = await withScript((visit) =>
    sendPage(visit, visit.stream === "tracks" ? trackTexts(150) : []),
  );
  const ids = (await world.load()).map((result) => result.loadId);
  expect(ids.toSorted()).toEqual([1, 2, 3]);
  expect(await world.rows("select count(distinct _loaded_at), count(*) from raw_moovitamix.tracks")).toEqual([
    ["1", "150"],
  ]);
});
