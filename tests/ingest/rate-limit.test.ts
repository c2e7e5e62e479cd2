import { expect, test } from "vitest";
import { parseRetryAfter } from "../../ingest/http/retry-after.ts";
import { parseFaults } from "../../moovitamix/faults.ts";
import { sendPage, trackTexts } from "./scripted-api.ts";
import { withApi, withScript } from "./setup.ts";

const NOW = new Date("2026-01-15T12:00:00Z");

test.each([
  ["2", 2000],
  ["1.5", 1500],
  ["0", undefined],
  ["-5", undefined],
  ["soon", undefined],
  ["", undefined],
  ["Thu, 15 Jan 2026 12:00:07 GMT", 7000],
  ["Thursday, 15-Jan-26 12:00:07 GMT", 7000],
  ["Thu Jan 15 12:00:07 2026", 7000],
  ["Thu, 15 Jan 2026 11:00:00 GMT", undefined],
])("reads Retry-After %j", (value, expected) => {
  expect(parseRetryAfter(new Headers({ "retry-after": value }), NOW)).toBe(expected);
});

test("takes a date relative to the answer's own date", () => {
  const headers = { "retry-after": "Thu, 15 Jan 2026 12:00:07 GMT", date: "Thu, 15 Jan 2026 12:00:04 GMT" };
  expect(parseRetryAfter(new Headers(headers), NOW)).toBe(3000);
});

test.each([
  ["429(retry-after=3)@tracks/1x1", [3000]],
  ["429(retry-after=absent)@tracks/1x2", [500, 1000]],
  ["429(retry-after=0)@tracks/1x2", [500, 1000]],
  ["429(retry-after=-1)@tracks/1x1", [500]],
  ["429(retry-after=later)@tracks/1x1", [500]],
  ["5xx(status=503,retry-after=7)@tracks/1x1", [7000]],
])("waits as long as it is asked to: %s", async (text, sleeps) => {
  const { api, world } = await withApi({ faults: parseFaults(text) });
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 250 } });
  expect(world.sleeps).toEqual(sleeps);
  // Three pages, the first of them once more, and what was refused.
  expect(api.requests).toHaveLength(4 + sleeps.length);
});

test("stops at once when the wait is beyond the limit, and says when to come again", async () => {
  const { api, world } = await withApi({ faults: parseFaults("429(retry-after=86400)@*/1") });
  const results = await world.load();
  expect(results.map(({ error }) => error?.code)).toEqual(Array(3).fill("API_RATE_LIMITED"));
  expect(results[1]?.error?.message).toBe(
    "moovitamix.users, page 1: the server asks to be left alone for 86400 s",
  );
  expect(results[0]?.error?.hint).toBe(
    "run again after 2026-01-16T12:00:00.000Z, or raise ingest: max_retry_after_seconds in project.yml",
  );
  expect(api.requests.length).toBeLessThanOrEqual(3);
  expect(world.sleeps).toEqual([]);
});

test("lets no stream of the host ask while one was told to wait", async () => {
  const sentInPause: number[] = [];
  const { api, world } = await withApi(
    { faults: parseFaults("429(retry-after=30)@tracks/1x1") },
    {
      onSleep: async () => {
        const before = api.requests.length;
        await fetch(`${api.url}/users?page=99`); // By its answer, a request that did not wait would be there too.
        sentInPause.push(api.requests.length - before);
      },
    },
  );
  const [tracks] = await world.load({ settings: { concurrency: 1 } });
  expect(tracks).toMatchObject({ status: "ok", retries: 1 });
  expect(sentInPause).toEqual([1]);
  const after = api.requests.slice(api.requests.findIndex(({ page }) => page === 99) + 1);
  expect(after[0]).toMatchObject({ path: "/tracks", page: 1, status: 200 });
});

test("gets through a gateway that allows five requests at a time without using up attempts", async () => {
  let allowed = 5;
  const { api, world } = await withScript(
    (visit) => {
      allowed -= 1;
      if (allowed >= 0) return sendPage(visit, trackTexts(6000));
      visit.response.writeHead(429, { "retry-after": "1" }).end();
    },
    {
      onSleep: () => {
        allowed = 5;
      },
    },
  );
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 6000 } });
  const visitsOf = (page: string) => api.requests.filter((other) => other === page).length;
  expect(Math.max(...api.requests.map(visitsOf))).toBeLessThanOrEqual(4);
});

test("has no more requests under way at one host than the setting allows", async () => {
  let [underWay, most] = [0, 0];
  const held: (() => void)[] = [];
  const { world } = await withScript((visit) => {
    most = Math.max(most, ++underWay);
    held.push(() => {
      underWay -= 1;
      sendPage(visit, visit.stream === "tracks" ? trackTexts(3000) : []);
    });
    // The first pages of the three streams are held until all three are there.
    if (visit.page > 1 || visit.nth > 1 || held.length === 3)
      setImmediate(() => held.splice(0).map((answer) => answer()));
  });
  await world.load({ settings: { concurrency: 3 } });
  expect(most).toBe(3);
});

test.each([
  [2, [1000]],
  [0.5, [2000, 2000, 2000]],
  [100, []],
])("begins no more than %s requests a second, of all pages of a host together", async (rate, sleeps) => {
  const { world } = await withScript((visit) => sendPage(visit, trackTexts(250)));
  const settings = { requests_per_second: rate, concurrency: 8 };
  expect(await world.loadOne("tracks", settings)).toMatchObject({ status: "ok", requests: 4 });
  expect(world.sleeps).toEqual(sleeps);
});

test("shares the requests of a second among the streams of a host", async () => {
  const { world } = await withScript((visit) =>
    sendPage(visit, visit.stream === "tracks" ? trackTexts(150) : []),
  );
  const results = await world.load({ settings: { requests_per_second: 1 } });
  expect(results.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
  const requests = results.reduce((sum, one) => sum + one.requests, 0);
  expect(world.sleeps).toEqual(Array(requests - 1).fill(1000));
});
