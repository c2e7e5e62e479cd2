import { expect, test } from "vitest";
import { sendPage, trackText, trackTexts } from "./scripted-api.ts";
import { withScript, withWorld } from "./setup.ts";

const OLDER = { total: null, pages: undefined };

test("pages on to an empty page when no total is announced", async () => {
  const { api, world } = await withScript((visit) => sendPage(visit, trackTexts(250), OLDER));
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 250 }, pages: 4 });
  expect(api.requests).toEqual(["tracks/1", "tracks/2", "tracks/3", "tracks/4", "tracks/1"]);
});

test("asks once for an empty list", async () => {
  const { api, world } = await withScript((visit) => sendPage(visit, []));
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 0 } });
  expect(api.requests).toEqual(["tracks/1"]);
});

test("follows the size that the server allows", async () => {
  const { world } = await withScript((visit) =>
    sendPage({ ...visit, size: 30 }, trackTexts(100), { pages: undefined }),
  );
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 100 }, pages: 4 });
});

test("reads on when a server allows fewer records a page without saying so", async () => {
  const capped = { size: 100, pages: undefined };
  const { world } = await withScript((visit) => sendPage({ ...visit, size: 30 }, trackTexts(100), capped));
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 100 } });
});

test("reads on when more records come than were announced", async () => {
  const { world } = await withScript((visit) => sendPage(visit, trackTexts(250), { total: 90, pages: 1 }));
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 250 } });
});

test("stops at the first repeat of a listing without end", async () => {
  const { api, world } = await withScript((visit) =>
    sendPage({ ...visit, page: Math.min(visit.page, 3) }, trackTexts(250), { ...OLDER, page: visit.page }),
  );
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "PAGE_REPEATED",
    message: "moovitamix.tracks, page 4: it holds the same records as page 3",
  });
  expect(api.requests).toHaveLength(4);
});

test("stops at the page limit when the records are always new", async () => {
  const { api, world } = await withScript((visit) =>
    sendPage({ ...visit, page: 1 }, trackTexts(100, visit.page * 100), { ...OLDER, page: visit.page }),
  );
  expect((await world.loadOne("tracks", { max_pages: 7 })).error).toMatchObject({
    code: "PAGES_ENDLESS",
    message: "moovitamix.tracks, page 8: that is beyond the 7 pages that a stream may have",
    hint: expect.stringContaining("max_pages"),
  });
  expect(api.requests).toHaveLength(7);
});

test("takes a listing that goes on far beyond its announced end for endless", async () => {
  const { api, world } = await withScript((visit) =>
    sendPage({ ...visit, page: 1 }, trackTexts(100, visit.page * 100), {
      total: 250,
      page: visit.page,
      pages: 3,
    }),
  );
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "PAGES_ENDLESS",
    message:
      "moovitamix.tracks, page 16: the listing goes on far beyond the end that its first page announced",
  });
  expect(api.requests).toHaveLength(16);
});

test("sends one request when more pages are announced than allowed", async () => {
  const { api, world } = await withScript((visit) => sendPage(visit, trackTexts(900)));
  expect((await world.loadOne("tracks", { max_pages: 8 })).error?.code).toBe("PAGES_ENDLESS");
  expect(api.requests).toHaveLength(1);
});

/** A list that changes before the requests with these numbers. */
function changing(changes: Record<number, (tracks: string[]) => string[]>, size = 400) {
  const state = { tracks: trackTexts(size), requests: 0 };
  const answer = (visit: Parameters<typeof sendPage>[0]) => {
    state.requests += 1;
    state.tracks = changes[state.requests]?.(state.tracks) ?? state.tracks;
    sendPage(visit, state.tracks);
  };
  return { state, answer };
}

const grow = (count: number, from: number) => (tracks: string[]) => [...trackTexts(count, from), ...tracks];
const shrink = (count: number) => (tracks: string[]) => tracks.slice(count);

test("reads the list again when it grew or shrank meanwhile, and counts the last reading only", async () => {
  const { state, answer } = changing({ 3: shrink(7) });
  const { world } = await withScript(answer);
  expect(await world.loadOne("tracks")).toMatchObject({
    status: "ok",
    pages: 4,
    counts: { received: 393, new: 393 },
  });
  expect(await world.texts("tracks")).toEqual(state.tracks.toSorted());
  expect(world.log.map((entry) => entry.event)).toContain("reading_restarted");
});

test("loses nothing when the list keeps growing at its head while it is read", async () => {
  const growth = Object.fromEntries([2, 7, 8, 9, 10].map((request) => [request, grow(13, request * 1000)]));
  const { world } = await withScript(changing(growth).answer);
  const { status, counts } = await world.loadOne("tracks", { concurrency: 1 });
  expect(status).toBe("ok");
  expect(counts.received).toBe(counts.new + counts.duplicate);
  expect(await world.texts("tracks")).toEqual(expect.arrayContaining(trackTexts(400)));
});

test("does not take a page that comes again for a loop when the list grew by a whole page", async () => {
  const { world } = await withScript(changing({ 2: grow(5, 5000), 5: grow(100, 1000) }).answer);
  const { status, counts } = await world.loadOne("tracks", { concurrency: 1 });
  expect({ status, duplicate: counts.duplicate }).toEqual({ status: "ok", duplicate: 100 });
});

test("fails when the list shrinks in every reading, and keeps the former version", async () => {
  const { state, answer } = changing({ 7: shrink(1), 9: shrink(1), 11: shrink(1) });
  const { world } = await withScript(answer);
  expect((await world.loadOne("tracks", { concurrency: 1 })).status).toBe("ok");
  const former = await world.texts("tracks");
  const result = await world.loadOne("tracks", { concurrency: 1 });
  expect(result.error).toMatchObject({
    code: "SOURCE_CHANGING",
    message: "moovitamix.tracks: the list kept changing while it was read, 3 times",
  });
  expect(state.tracks).toHaveLength(397);
  expect(await world.texts("tracks")).toEqual(former);
});

test("reads again when records left the head and as many others came, so that the total stayed", async () => {
  const { state, answer } = changing({ 3: (list) => [...list.slice(20), ...trackTexts(20, 9000)] });
  const { world } = await withScript(answer);
  expect(await world.loadOne("tracks", { concurrency: 1 })).toMatchObject({ status: "ok" });
  expect(world.log.map(({ event }) => event)).toContain("reading_restarted");
  expect(await world.texts("tracks")).toEqual([...state.tracks].sort());
});

test("leaves the former version when it is stopped in the middle", async () => {
  const stop = new AbortController();
  let isSecondLoad = false;
  const { api, world } = await withScript(
    (visit) => {
      if (isSecondLoad && visit.page === 3) return stop.abort(new Error("stopped"));
      sendPage(visit, isSecondLoad ? [trackText(1)].concat(trackTexts(900, 5000)) : trackTexts(250));
    },
    { signal: stop.signal },
  );
  await world.loadOne("tracks");
  isSecondLoad = true;
  expect(await world.loadOne("tracks", { concurrency: 1 })).toMatchObject({
    status: "interrupted",
    loadId: null,
    error: null,
  });
  expect(api.requests.at(-1)).toBe("tracks/3");
  world.engine.close();
  const after = await withWorld({ url: api.url, projectDir: world.ctx.projectDir });
  expect(await after.texts("tracks")).toEqual(trackTexts(250).sort());
  expect(await after.rows("select load_id from raw_moovitamix._loads")).toEqual([["1"]]);
});
