import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { RestSourceDefinition, RestStreamDefinition } from "../../core/sillon.ts";
import { parseDefinition } from "../../ingest/definitions/source.ts";
import { type Asked, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";

const record = z.looseObject({ id: z.number() });
const albums: RestStreamDefinition = { name: "albums", path: "/albums", key: ["id"], record };
const songs: RestStreamDefinition = {
  name: "songs",
  path: "/albums/{id}/songs",
  key: ["album_id", "id"],
  record,
  parent: "albums",
  fromParent: { album_id: "id" },
};

interface Shop {
  /** The songs of each album, by the album's id. */
  albums: Map<string, number[]>;
  /** Answers instead, when it returns true. */
  answer: (asked: Asked, response: ServerResponse) => boolean;
}

const PAGE = 2;

/** A service that lists albums, and the songs of each. */
async function withShop(changes: Partial<RestStreamDefinition> = {}) {
  const server = await startListServer({ form: "single", list: [] });
  onTestFinished(() => server.stop());
  const shop: Shop = {
    albums: new Map([
      ["1", [1, 2, 3]],
      ["2", []],
      ["3", [1]],
    ]),
    answer: () => false,
  };
  server.answer = (asked, response) => {
    if (shop.answer(asked, response)) return true;
    const [, , album, list] = asked.url.pathname.split("/");
    const ids = album === undefined ? [...shop.albums.keys()] : shop.albums.get(decodeURIComponent(album));
    if (ids === undefined || (album !== undefined && list !== "songs")) response.writeHead(404).end("{}");
    else {
      const from = (Number(asked.url.searchParams.get("page")) - 1) * PAGE;
      const items = ids.slice(from, from + PAGE).map((id) => `{"id": ${id}}`);
      response.end(`{"items":[${items.join(",")}],"total":${ids.length}}`);
    }
    return true;
  };
  const source: RestSourceDefinition = {
    name: "moovitamix",
    baseUrl: { env: "MOOVITAMIX_URL" },
    pageSize: PAGE,
    streams: [{ ...songs, ...changes }, albums],
  };
  return { server, shop, world: await withWorld({ url: server.url, source }) };
}

const ALL_SONGS = [
  '{"album_id":1,"id": 1}',
  '{"album_id":1,"id": 2}',
  '{"album_id":1,"id": 3}',
  '{"album_id":3,"id": 1}',
];

test("asks every record of the parent for its list, after the parent is loaded", async () => {
  const { world } = await withShop();
  const [loaded] = await world.load();
  expect(loaded).toMatchObject({ stream: "songs", status: "ok", pages: 4, counts: { received: 4, new: 4 } });
  expect(await world.texts("songs")).toEqual(ALL_SONGS);
});

test("takes the parent's records from its table when the parent is not loaded in this run", async () => {
  const { server, world } = await withShop();
  await world.loadOne("albums");
  server.requests.length = 0;
  expect(await world.loadOne("songs")).toMatchObject({ status: "ok", counts: { received: 4 } });
  expect(server.requests.some(({ url }) => url.pathname === "/albums")).toBe(false);
});

test("counts the children of a parent that is gone as deleted", async () => {
  const { shop, world } = await withShop();
  await world.load();
  shop.albums.delete("1");
  const [loaded] = await world.load();
  expect(loaded).toMatchObject({ stream: "songs", counts: { received: 1, unchanged: 1, deleted: 3 } });
  expect(await world.texts("songs")).toEqual(['{"album_id":3,"id": 1}']);
});

test("names the parent's record when one list fails, and changes nothing", async () => {
  const { shop, world } = await withShop();
  await world.load();
  shop.answer = ({ url }, response) => {
    const isBroken = url.pathname === "/albums/1/songs" && url.searchParams.get("page") === "2";
    if (isBroken) response.writeHead(500).end();
    return isBroken;
  };
  shop.albums.set("3", [7]);
  expect((await world.loadOne("songs", { max_attempts: 2 })).error).toMatchObject({
    code: "API_FAILING",
    message: "moovitamix.songs of albums 1, page 2: the server answered 500 Internal Server Error",
  });
  expect(await world.texts("songs")).toEqual(ALL_SONGS);
});

test("reads the list of one parent again when it changes meanwhile, and no other", async () => {
  const { server, shop, world } = await withShop();
  await world.loadOne("albums");
  server.requests.length = 0;
  shop.answer = ({ url }) => {
    const isSecond = url.pathname === "/albums/1/songs" && url.searchParams.get("page") === "2";
    if (isSecond && shop.albums.get("1")?.length === 3) shop.albums.set("1", [2, 3]);
    return false;
  };
  expect(await world.loadOne("songs")).toMatchObject({ status: "ok", counts: { received: 3, duplicate: 0 } });
  expect(await world.texts("songs")).toEqual(ALL_SONGS.slice(1));
  expect(world.log.find(({ event }) => event === "reading_restarted")?.message).toContain(
    "songs of albums 1: ",
  );
  expect(server.requests.filter(({ url }) => url.pathname === "/albums/3/songs")).toHaveLength(1);
});

test("fails at a list that is not found, or takes it for empty when the stream says so", async () => {
  const lost = ({ url }: Asked, response: ServerResponse) => {
    const isLost = url.pathname === "/albums/1/songs";
    if (isLost) response.writeHead(404).end("not here");
    return isLost;
  };
  const strict = await withShop();
  strict.shop.answer = lost;
  expect((await strict.world.load())[0]?.error).toMatchObject({
    code: "API_NOT_FOUND",
    message: expect.stringContaining("moovitamix.songs of albums 1, page 1: "),
  });
  const lenient = await withShop({ onMissing: "empty" });
  lenient.shop.answer = lost;
  expect((await lenient.world.load())[0]).toMatchObject({ status: "ok", counts: { received: 1 } });
});

test("asks nothing when the parent failed in this run, or was never loaded", async () => {
  const { server, shop, world } = await withShop();
  expect((await world.loadOne("songs")).error).toMatchObject({
    code: "PARENT_MISSING",
    message: "moovitamix.songs: its parent albums was never loaded",
    hint: "load both: run ingest moovitamix.albums moovitamix.songs",
  });
  shop.answer = (_, response) => response.writeHead(403).end() === response;
  expect((await world.load())[0]?.error).toMatchObject({
    code: "PARENT_FAILED",
    message: "moovitamix.songs: its parent albums was not loaded",
    hint: "correct what albums complains about, then run again",
  });
  expect(server.requests).toHaveLength(1);
});

test("writes members of the parent into paths and parameters so that they lead nowhere else", async () => {
  const { server, shop } = await withShop();
  shop.albums = new Map([
    ['"a/b?c ü"', []],
    ["12345678901234567890", []],
  ]);
  const texts = { ...albums, record: z.looseObject({}) };
  const source = {
    name: "moovitamix",
    baseUrl: { env: "MOOVITAMIX_URL" },
    streams: [texts, { ...songs, params: { of: "album {id}" } }],
  };
  const other = await withWorld({ url: server.url, source });
  await other.load({ streams: ["albums"] });
  server.answer = (_, response) => response.end('{"items":[]}') === response;
  server.requests.length = 0;
  expect((await other.load({ streams: ["songs"] }))[0]).toMatchObject({ status: "ok" });
  expect(server.requests.map(({ url }) => [url.pathname, url.searchParams.get("of")]).sort()).toEqual([
    ["/albums/12345678901234567890/songs", "album 12345678901234567890"],
    ["/albums/a%2Fb%3Fc%20%C3%BC/songs", "album a/b?c ü"],
  ]);
});

test.each([
  ['".."', 'is ".."'],
  ["null", "is null"],
])("does not ask for the list of a parent whose member is %s", async (id, said) => {
  const { shop, server } = await withShop();
  shop.albums = new Map([[id, []]]);
  const loose = { ...albums, record: z.looseObject({}) };
  const source = { name: "moovitamix", baseUrl: { env: "MOOVITAMIX_URL" }, streams: [loose, songs] };
  const world = await withWorld({ url: server.url, source });
  expect((await world.load())[1]?.error).toMatchObject({
    code: "PARENT_MEMBER_MISSING",
    message: expect.stringContaining(`the member "id" of the parent's record ${said}`),
    hint: expect.stringContaining('"id" has to be there'),
  });
});

test("has children of children", async () => {
  const { server } = await withShop();
  const notes: RestStreamDefinition = {
    name: "notes",
    path: "/albums/{album_id}/songs/{id}/notes",
    key: ["id"],
    record,
    parent: "songs",
    pagination: { type: "single" },
  };
  const source = { name: "moovitamix", baseUrl: { env: "MOOVITAMIX_URL" }, streams: [notes, songs, albums] };
  const other = await withWorld({ url: server.url, source });
  const usual = server.answer;
  server.answer = (asked, response) => {
    if (!asked.url.pathname.endsWith("/notes")) return usual(asked, response);
    return response.end(`{"items":[{"id":${asked.url.pathname.replace(/\D/g, "")}}]}`) === response;
  };
  expect((await other.load()).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
  expect(await other.texts("notes")).toEqual(['{"id":11}', '{"id":12}', '{"id":13}', '{"id":31}']);
});

test.each<[string, Partial<RestStreamDefinition>, string]>([
  ["an unknown parent", { parent: "album" }, 'source.streams.1.parent: no stream "album"'],
  ["itself as its parent", { parent: "songs" }, 'source.streams.1.parent: "songs" is its own ancestor'],
  [
    "no member of the parent in its path",
    { path: "/songs" },
    "source.streams.1.path: expected a member of the parent's record, such as {id}",
  ],
])("refuses a child stream with %s", (_, changes, mistake) => {
  const source = { name: "shop", baseUrl: { env: "SHOP_URL" }, streams: [albums, { ...songs, ...changes }] };
  expect(parseDefinition(source)).toEqual({ mistakes: [mistake] });
});

test.each<[Partial<RestStreamDefinition>, string]>([
  [{ path: "/albums/{id}" }, "path: {id} is a member of a parent's record: expected a parent"],
  [{ onMissing: "empty" }, "onMissing: of use only with a parent"],
  [{ method: "GET", body: {} }, 'body: of use only with method: "POST"'],
  [
    { pagination: { type: "offset", sendIn: "body" } },
    'body: expected an object, since the pagination has sendIn: "body"',
  ],
  [
    { format: "csv", pagination: { type: "cursor", next: "next", parameter: "after" } },
    'pagination.in: expected "header": an answer in csv has no member "next"',
  ],
  [
    { format: "ndjson", pagination: { type: "next_url", next: "next" } },
    'pagination.type: an answer in ndjson has no member "next"',
  ],
  [
    { format: "csv", pagination: { type: "offset", total: "count" } },
    "pagination.total: expected { header: NAME }: an answer in csv has no members",
  ],
])("refuses a stream with %j", (changes, mistake) => {
  const source = { name: "shop", baseUrl: { env: "SHOP_URL" }, streams: [{ ...albums, ...changes }] };
  expect(parseDefinition(source)).toEqual({ mistakes: [`source.streams.0.${mistake}`] });
});

test("loads a failed child stream again from its parent's table", async () => {
  const { server, shop, world } = await withShop();
  shop.answer = ({ url }, response) => {
    if (!url.pathname.endsWith("/3/songs")) return false;
    response.writeHead(403).end("{}");
    return true;
  };
  await world.load();
  shop.answer = () => false;
  server.requests.length = 0;
  const healed = await world.load({ onlyFailed: true });
  expect(healed.map(({ stream, status }) => [stream, status])).toEqual([["songs", "ok"]]);
  expect(server.requests.filter(({ url }) => url.pathname === "/albums")).toEqual([]);
  expect(await world.texts("songs")).toEqual(ALL_SONGS);
});

test("loads a failed parent again together with the child stream that could not go on without it", async () => {
  const { shop, world } = await withShop();
  shop.answer = ({ url }, response) => {
    if (url.pathname !== "/albums") return false;
    response.writeHead(403).end("{}");
    return true;
  };
  const failed = await world.load();
  expect(failed.map(({ error }) => error?.code)).toEqual(["PARENT_FAILED", "API_FORBIDDEN"]);
  shop.answer = () => false;
  const healed = await world.load({ onlyFailed: true });
  expect(healed.map(({ stream, status }) => [stream, status])).toEqual([
    ["songs", "ok"],
    ["albums", "ok"],
  ]);
  expect(await world.texts("songs")).toEqual(ALL_SONGS);
});
