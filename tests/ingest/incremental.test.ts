import { expect, test } from "vitest";
import { cursor, type Event, minute, minutes, withFeed } from "./feed.ts";
import { sendBody } from "./scripted-api.ts";

const sinceOf = (asked: URLSearchParams[]) => asked.at(-1)?.get("since") ?? null;

test("asks from the cursor on and tells the records at its value by their content", async () => {
  const feed = await withFeed(minutes(12));
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 12, new: 12 });
  expect(await feed.cursor()).toBe(minute(12));
  feed.events = [...minutes(12), { id: 13, at: minute(12) }, { id: 14, at: minute(13) }];
  const second = await feed.world.loadOne("events");
  expect(second.counts).toMatchObject({ received: 3, new: 2, unchanged: 1, deleted: 0 });
  expect(sinceOf(feed.asked)).toBe(minute(12));
  expect(await feed.world.rows('select mode, "cursor" from raw_moovitamix._loads order by load_id')).toEqual([
    ["incremental", minute(12)],
    ["incremental", minute(13)],
  ]);
});

test("ends the version of a record that came again changed, and concludes no deletion", async () => {
  const feed = await withFeed(minutes(3));
  await feed.world.loadOne("events");
  feed.events = [{ id: 1, at: minute(9), name: "new" }];
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 1, changed: 1, deleted: 0 });
  expect(await feed.world.texts("events")).toHaveLength(3);
});

test("leaves out what the service sends although it was not asked for, and says so", async () => {
  const feed = await withFeed(minutes(12), { filters: false });
  await feed.world.loadOne("events");
  feed.events = minutes(13);
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 2, new: 1, unchanged: 1 });
  expect(feed.world.log.find(({ event }) => event === "records_unasked")?.message).toContain("11 records");
});

test.each([
  ["2026-01-01T00:00:10.123456789Z", "2026-01-01T00:00:05.123456789Z"],
  ["2026-01-01 00:00:10.5+02", "2025-12-31 22:00:05.5Z"],
  ["2026-01-01T00:00:10", "2026-01-01T00:00:05"],
])("keeps the cursor %s as it stood and looks back from it", async (at, since) => {
  const feed = await withFeed([{ id: 1, at }], { cursor: { ...cursor, lookBack: 5 } });
  await feed.world.loadOne("events");
  await feed.world.loadOne("events");
  expect([await feed.cursor(), sinceOf(feed.asked)]).toEqual([at, since]);
});

test("compares times across zones and below the millisecond", async () => {
  const times = ["2026-01-01T01:00:00+02:00", "2025-12-31T23:30:00.0000001Z", "2025-12-31T23:30:00Z"];
  const feed = await withFeed(times.map((at, id) => ({ id, at })));
  await feed.world.loadOne("events");
  expect(await feed.cursor()).toBe(times[1]);
});

test("counts numbers exactly, beyond 2^53 too", async () => {
  const texts = ["9007199254740993", "9007199254740992", "99"];
  const feed = await withFeed([], {
    cursor: { field: "n.at", type: "number", parameter: "from", lookBack: 1 },
  });
  feed.before = (visit) => {
    const items = texts.map((n, id) => `{"id":${id},"n":{"at":${n}}}`);
    sendBody(visit.response, `{"items":[${items}],"total":3}`);
    return true;
  };
  await feed.world.loadOne("events");
  await feed.world.loadOne("events");
  expect([await feed.cursor(), feed.asked.at(-1)?.get("from")]).toEqual([texts[0], "9007199254740992"]);
});

test.each<[string, unknown, string]>([
  ["a time far ahead", "2999-01-01T00:00:00Z", "after tomorrow"],
  ["null", null, "is null"],
  ["nothing", undefined, "is missing"],
  ["no zone", "2026-01-01T00:05:00", "no zone"],
  ["another zone", "2026-01-01T14:05:00+14:00", "an offset"],
  ["a number", 1767225900000, "is not a time"],
])("lands a record whose cursor is %s, names it, and does not follow it", async (_, at, said) => {
  const odd: Event = at === undefined ? { id: 77 } : { id: 77, at };
  const feed = await withFeed([...minutes(6), odd], { filters: false });
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 7, new: 7 });
  const warnings = feed.world.log.filter(({ event }) => event === "cursor_odd");
  expect(warnings.map(({ message }) => [message.includes(said), message.includes("key 77")])).toEqual([
    [true, true],
  ]);
  expect(await feed.cursor()).toBe(minute(6));
});

test("asks from the time of the last load when the cursor is later than that", async () => {
  const feed = await withFeed([{ id: 1, at: "2026-01-15T23:00:00Z" }]);
  await feed.world.loadOne("events");
  await feed.world.loadOne("events");
  expect([await feed.cursor(), sinceOf(feed.asked)]).toEqual([
    "2026-01-15T23:00:00Z",
    "2026-01-15T12:00:00.000Z",
  ]);
});

test("commits part by part with the cursor, and goes on from there after a failure", async () => {
  const feed = await withFeed(minutes(95), { cursor: { ...cursor, ordered: true } });
  feed.before = ({ page, response }) => {
    if (page !== 8) return false;
    sendBody(response, "{}", 404);
    return true;
  };
  const settings = { commit_records: 20, concurrency: 1 };
  const failed = await feed.world.loadOne("events", settings);
  expect(failed).toMatchObject({ status: "failed", counts: { received: 60, new: 60 } });
  expect(await feed.world.texts("events")).toHaveLength(60);
  expect(await feed.cursor()).toBe(minute(60));
  feed.before = () => false;
  const healed = await feed.world.loadOne("events", settings);
  expect(healed.counts).toMatchObject({ received: 36, new: 35, unchanged: 1 });
  expect(await feed.cursor()).toBe(minute(95));
});

test("takes the cursor back when records do not come in the order that was promised", async () => {
  const events = [...minutes(40, 10), ...minutes(9)];
  const feed = await withFeed(events, { cursor: { ...cursor, ordered: true } });
  const result = await feed.world.loadOne("events", { commit_records: 10, concurrency: 1 });
  expect(result.counts).toMatchObject({ received: 49, new: 49 });
  expect(feed.world.log.map(({ event }) => event)).toContain("parts_stopped");
  const rows = await feed.world.rows(
    'select "cursor" from raw_moovitamix._loads order by load_id desc limit 2',
  );
  expect(rows).toEqual([[minute(49)], [null]]);
});

test("finds a lost cursor again in the records, and goes on with ids above theirs", async () => {
  const feed = await withFeed([...minutes(5), { id: 9, at: "2999-01-01T00:00:00Z" }]);
  await feed.world.loadOne("events");
  await feed.world.rows("delete from raw_moovitamix._loads");
  feed.events = minutes(6);
  const again = await feed.world.loadOne("events");
  expect(sinceOf(feed.asked)).toBe(minute(5));
  expect(again).toMatchObject({ loadId: 2, counts: { received: 2, new: 1, unchanged: 1 } });
});

test("begins at the start of the definition", async () => {
  const feed = await withFeed(minutes(9), { cursor: { ...cursor, start: minute(5) } });
  expect((await feed.world.loadOne("events")).counts).toMatchObject({ received: 5, new: 5 });
});
