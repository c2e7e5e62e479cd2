import { expect, test } from "vitest";
import { z } from "zod";
import type { RestStreamDefinition } from "../../core/sillon.ts";
import { changeText } from "../../ingest/drift/change.ts";
import { resetStream } from "../../ingest/reset.ts";
import { sendPage } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

type Song = Record<string, unknown>;

async function withSongs(changes: Partial<RestStreamDefinition> = {}) {
  const service: { list: string[] } = { list: [] };
  const stream: RestStreamDefinition = {
    name: "songs",
    path: "/songs",
    key: ["id"],
    record: z.looseObject({ id: z.int() }),
    ...changes,
  };
  const source = { name: "shop", baseUrl: { env: "MOOVITAMIX_URL" }, pageSize: 100, streams: [stream] };
  const { world } = await withScript((visit) => sendPage(visit, service.list), { source });
  /** Loads the list, and tells how it differs from the earlier ones. */
  const load = async (list: (Song | string)[]) => {
    service.list = list.map((one) => (typeof one === "string" ? one : JSON.stringify(one)));
    const result = await world.loadOne("songs");
    expect(result.error).toBeNull();
    return result.drift.map(changeText);
  };
  return { world, stream, source, load };
}

const songs = (count: number, of: (id: number) => Song = () => ({})): Song[] =>
  Array.from({ length: count }, (_, index) => ({ id: index + 1, title: `T${index + 1}`, ...of(index + 1) }));

test("the first load is what later ones are compared with", async () => {
  const { world, load } = await withSongs();
  expect(await load(songs(3, (id) => (id === 1 ? { mood: null } : {})))).toEqual([]);
  expect(
    await world.rows(
      "select stream, member, type, from_load, to_load, change, records, of_records from raw_shop._schema",
    ),
  ).toEqual([
    ["songs", "id", "integer", "1", null, null, "3", "3"],
    ["songs", "title", "string", "1", null, null, "3", "3"],
    ["songs", "mood", "null", "1", null, null, "1", "3"],
    ["songs", "mood", "absent", "1", null, null, "2", "3"],
  ]);
});

test("tells new, missing and retyped members once, with how many records", async () => {
  const { world, load } = await withSongs();
  await load(songs(4));
  const changed = [{ id: 1, mood: "calm" }, { id: 2, title: 7, mood: null }, ...songs(4).slice(2)];
  const told = [
    "mood is new (string, null) in 2 of 4 records",
    "title was string and is integer in 1 of 4 records",
    "title is missing in 1 of 4 records",
  ];
  expect(await load(changed)).toEqual(told);
  expect(await load(changed)).toEqual([]);
  const warnings = world.log.filter(({ event }) => event === "schema_drift");
  expect(warnings.map(({ message }) => message)).toEqual([
    `shop.songs: the records have changed: ${told.join("; ")}`,
  ]);
});

test("a member that is gone is told, and told as new when it comes back", async () => {
  const { load } = await withSongs();
  await load(songs(3));
  expect(await load([{ id: 1 }, { id: 2 }])).toEqual(["title is missing in 2 of 2 records"]);
  expect(await load([{ id: 1 }])).toEqual([]);
  expect(await load(songs(2))).toEqual(["title is new (string) in 2 of 2 records"]);
});

test("an optional member is missed only when chance cannot explain it", async () => {
  const { load } = await withSongs();
  await load(songs(20, (id) => (id % 2 === 0 ? { mood: "calm" } : {})));
  expect(await load(songs(5))).toEqual([]);
  expect(await load(songs(20))).toEqual(["mood is missing in 20 of 20 records"]);
});

test("guesses that a member was renamed when the same records have its values under another name", async () => {
  const { world, load } = await withSongs();
  await load(songs(5, (id) => ({ flag: true, length: id * 10 })));
  const renamed = songs(5, (id) => ({ flagged: true, seconds: id * 10 })).map(({ title, ...rest }) => ({
    ...rest,
    name: title,
  }));
  expect(await load(renamed)).toEqual([
    "flagged is new (boolean) in 5 of 5 records",
    "seconds is new (integer) in 5 of 5 records, and length is gone: perhaps renamed, a guess from the same values",
    "name is new (string) in 5 of 5 records, and title is gone: perhaps renamed, a guess from the same values",
    "flag is missing in 5 of 5 records",
  ]);
  expect(await load(renamed)).toEqual([]);
  const changes = world.log.find(({ event }) => event === "schema_drift")?.fields.changes;
  expect(changes).toContainEqual({
    change: "renamed",
    member: "seconds",
    former: "length",
    types: ["integer"],
    records: 5,
    of_records: 5,
    guess: true,
  });
});

test("guesses from all values where no record comes again", async () => {
  const { load } = await withSongs({ mode: "append" });
  const genres = ["jazz", "rock", "folk"];
  await load(songs(9, (id) => ({ genre: genres[id % 3] })));
  const next = Array.from({ length: 9 }, (_, id) => ({
    id: id + 50,
    title: `N${id}`,
    style: genres[id % 3],
  }));
  expect(await load(next)).toEqual([
    "style is new (string) in 9 of 9 records, and genre is gone: perhaps renamed, a guess from the same values",
  ]);
});

test("tells every type that a number turns into, also when such records are refused", async () => {
  const { load } = await withSongs({ record: z.looseObject({ id: z.int(), n: z.int() }) });
  await load(songs(8, () => ({ n: 1 })));
  const odd = ["1.5", "1e3", "true", '"7"', "{}", "[1]", "null", "-0"];
  const list = odd.map((text, index) => `{"id":${index + 1},"title":"T","n":${text}}`);
  expect(await load(list)).toEqual([
    "n was integer and is decimal, string, boolean, object, array, null in 7 of 8 records",
  ]);
});

test("a load of a part misses nothing, and what is no object is not counted", async () => {
  const { world, load } = await withSongs();
  await load(songs(3, () => ({ mood: "calm" })));
  expect(await load([...songs(3, () => ({ mood: "calm" })), "7"])).toEqual([]);
  const [part] = await world.load({ bounds: { limit: 2 } });
  expect(part?.drift).toEqual([]);
});

test("a reset that drops the records forgets their members too", async () => {
  const { world, stream, source, load } = await withSongs();
  await load(songs(3));
  await resetStream(world.ctx, world.engine, { source, stream, drop: false });
  expect(await world.rows("select count(*) from raw_shop._schema")).toEqual([["2"]]);
  await resetStream(world.ctx, world.engine, { source, stream, drop: true });
  expect(await world.rows("select count(*) from raw_shop._schema")).toEqual([["0"]]);
  expect(await load([{ id: 1, name: "other" }])).toEqual([]);
});

test("objects whose names are data are followed only so far", async () => {
  const { world, load } = await withSongs();
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`m${index}`, index]));
  await load([{ id: 1, ...many }]);
  expect(await world.rows("select count(*) from raw_shop._schema")).toEqual([["300"]]);
  expect(await load([{ id: 1, ...many }])).toEqual([]);
});
