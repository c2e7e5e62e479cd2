import { expect, test } from "vitest";
import { source } from "../../ingest/sources/moovitamix.ts";
import { listenText, sendPage, trackText, trackTexts } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

const READ =
  'select load_id, stream, page, "position", reason, "key", record from raw_moovitamix._quarantine order by page, "position"';

test("puts records that break the contract aside, with reason and place, and lands the rest", async () => {
  const broken = trackText(101, { duration: "190" });
  const { world } = await withScript((visit) =>
    sendPage(visit, [...trackTexts(100), broken, trackText(102)]),
  );
  const { counts } = await world.loadOne("tracks");
  expect(counts).toMatchObject({ received: 102, new: 101, quarantined: 1 });
  expect(await world.rows(READ)).toEqual([
    ["1", "tracks", 2, 1, "duration: expected string, received number", "101", broken],
  ]);
});

test("stores the same bad text with the same reason once, and counts it each time", async () => {
  const broken = trackText(2, { name: "null" });
  const { world } = await withScript((visit) => sendPage(visit, [trackText(1), broken, broken]));
  await world.loadOne("tracks");
  expect((await world.loadOne("tracks")).counts).toMatchObject({ received: 3, unchanged: 1, quarantined: 2 });
  expect(await world.rows(READ)).toHaveLength(1);
});

test("keeps the last good version of a record that comes back broken", async () => {
  const list = { tracks: trackTexts(2) };
  const { world } = await withScript((visit) => sendPage(visit, list.tracks));
  await world.loadOne("tracks");
  list.tracks = [trackText(1), trackText(2, { name: "7" })];
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 1, quarantined: 1, deleted: 0 });
  expect(await world.texts("tracks")).toEqual(trackTexts(2));
});

test("concludes no deletion while a record without a readable key is in quarantine", async () => {
  const list = { tracks: trackTexts(3) };
  const { world } = await withScript((visit) => sendPage(visit, list.tracks));
  await world.loadOne("tracks");
  list.tracks = [trackText(1), '{"name":"whose?"}'];
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 1, quarantined: 1, deleted: 0 });
  expect(world.log.find(({ event }) => event === "records_quarantined")?.fields).toMatchObject({
    keyless: 1,
  });
  list.tracks = [trackText(1)];
  expect((await world.loadOne("tracks")).counts).toMatchObject({ unchanged: 1, deleted: 2 });
});

test.each([
  ["half of a surrogate pair", '{"user_id":1,"items":[],"note":"\\ud83d"}'],
  ["user_id: is there twice", '{"user_id":1,"user_id":2,"items":[]}'],
  ["expected object, received number", "7"],
  ["expected object, received array", "[1]"],
])("refuses what readers of JSON do not agree on: %s", async (reason, text) => {
  const { world } = await withScript((visit) => sendPage(visit, [text]));
  expect((await world.loadOne("listen_history")).counts).toMatchObject({ received: 1, quarantined: 1 });
  expect((await world.rows(READ)).map((row) => [row[4], row[6]])).toEqual([[reason, text]]);
});

const contractOf = (name: string) => {
  const stream = source.streams.find((one) => one.name === name);
  return (text: string) => stream?.record.safeParse(JSON.parse(text)).success;
};

test.each([
  trackText("9007199254740993"),
  trackText(1, { duration: '"-03:10"', genres: '""', album: '"\\ud83d\\ude00"' }),
  trackText(1, { updated_at: '"2020-01-01T00:00:00"', created_at: '"2025-05-08T08:22:06.2+02:00"' }),
  trackText(1, { mood: '{"new": "field"}' }),
])("accepts oddities, which are for data tests: %s", (text) => {
  expect(contractOf("tracks")(text)).toBe(true);
});

test.each(["1.5", '"7"', "true", "null", "{}", "9223372036854775808"])("refuses an id that is %s", (id) => {
  expect(contractOf("tracks")(trackText(id))).toBe(false);
});

test.each(['"yesterday"', "1700000000", "null", '"2025-02-30T00:00:00"'])(
  "refuses a time stamp that is %s",
  (text) => {
    expect(contractOf("tracks")(trackText(1, { updated_at: text }))).toBe(false);
  },
);

test("allows histories without user or items, and only whole numbers in items", () => {
  const isAllowed = contractOf("listen_history");
  expect(
    [listenText("null", "null"), listenText("1", "[]"), listenText("1", "[1,1]")].map(isAllowed),
  ).toEqual([true, true, true]);
  expect([listenText("1", '["1"]'), listenText("1", "[null]"), listenText("1", "{}")].map(isAllowed)).toEqual(
    [false, false, false],
  );
});
