import { expect, test } from "vitest";
import { z } from "zod";
import type { ContractDefinition, RestStreamDefinition } from "../../core/sillon.ts";
import { parseDefinition } from "../../ingest/definitions/source.ts";
import { sendPage } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

const stream: RestStreamDefinition = {
  name: "songs",
  path: "/songs",
  key: ["id"],
  record: z.looseObject({ id: z.int(), title: z.string() }),
};
const sourceOf = (contract: ContractDefinition, changes: Partial<RestStreamDefinition> = {}) => ({
  name: "shop",
  baseUrl: { env: "MOOVITAMIX_URL" },
  pageSize: 10,
  streams: [{ ...stream, ...changes, contract }],
});

const song = (id: number, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id, title: `T${id}`, ...more });
const songs = (count: number) => Array.from({ length: count }, (_, index) => song(index + 1));

/** A world whose list may be changed between loads. */
async function withContract(
  contract: ContractDefinition,
  {
    list,
    announced,
    changes,
  }: { list: string[]; announced?: number; changes?: Partial<RestStreamDefinition> },
) {
  const service = { list };
  const total = announced === undefined ? {} : { total: announced };
  const source = sourceOf(contract, changes);
  const { world } = await withScript((visit) => sendPage(visit, service.list, total), { source });
  return { world, service, load: () => world.loadOne("songs") };
}

const broken = (id: number) => song(id, { title: 7 });
const READ = "select record from raw_shop.songs_latest order by cast(_key as integer)";

test("accept lands records that break their schema, and says how many and which", async () => {
  const { world, load } = await withContract({ onInvalid: "accept" }, { list: [song(1), broken(2), "7"] });
  const { counts } = await load();
  expect(counts).toMatchObject({ received: 3, new: 2, quarantined: 1 });
  expect((await world.rows(READ)).flat()).toEqual([song(1), broken(2)]);
  expect(world.log.find(({ event }) => event === "contract_broken")).toMatchObject({
    message:
      "shop.songs: 1 landed though they break the contract (title: expected string, received number; the first on page 1, record 2, key 2)",
    fields: { accepted: 1 },
  });
});

test("fail lets no broken record pass: nothing of the stream is changed, and the record is in quarantine", async () => {
  const { world, service, load } = await withContract({ onInvalid: "fail" }, { list: songs(12) });
  await load();
  service.list = [song(1, { title: "other" }), ...songs(12).slice(1), broken(13)];
  const { status, error, counts, loadId } = await load();
  expect({ status, received: counts.received, loadId }).toEqual({ status: "failed", received: 0, loadId: 2 });
  expect(error).toMatchObject({
    code: "CONTRACT_BROKEN",
    exitCode: 1,
    message: 'shop.songs: 1 of 13 records breaks the contract, and onInvalid: "fail" lets none pass',
    why: [
      "page 2, record 3, key 13: title: expected string, received number",
      "title was string and is integer in 1 of 13 records",
      "nothing of this stream was changed; the refused records are in quarantine",
    ],
    hint: "see them with run quarantine show shop.songs; have the service corrected, or change the schema or onInvalid in the contract of the stream, then run again",
  });
  expect((await world.rows(READ)).flat()).toEqual(songs(12));
  expect(await world.rows("select load_id, record from raw_shop._quarantine")).toEqual([["2", broken(13)]]);
});

test.each<[ContractDefinition, number, string | null]>([
  [{ maxInvalid: 2 }, 2, null],
  [{ maxInvalid: 2 }, 3, "3 of 20 records break the contract, and maxInvalid lets 2 pass"],
  [{ maxInvalidShare: 0.1 }, 2, null],
  [
    { maxInvalidShare: 0.1 },
    3,
    "3 of 20 records break the contract, a share of 0.15, and maxInvalidShare lets 0.1 pass",
  ],
  [
    { onInvalid: "accept", maxInvalid: 0 },
    1,
    "1 of 20 records breaks the contract, and maxInvalid lets 0 pass",
  ],
])("%j with %i broken records of 20", async (contract, count, message) => {
  const list = [...songs(20 - count), ...Array.from({ length: count }, (_, index) => broken(100 + index))];
  const { load } = await withContract(contract, { list });
  const { status, error } = await load();
  expect(status).toBe(message === null ? "ok" : "failed");
  expect(error?.message ?? null).toBe(message === null ? null : `shop.songs: ${message}`);
});

const FRESH = { field: "at", maxAgeSeconds: 3600 };

/** The clock of the tests stands at 2026-01-15T12:00Z. */
test.each<[string, ContractDefinition, string[], string | null]>([
  ["rows.min", { rows: { min: 3 } }, songs(3), null],
  ["rows.min", { rows: { min: 4 } }, songs(3), "expected 4 records at least, found 3 records"],
  ["rows.max", { rows: { max: 2 } }, songs(3), "expected 2 records at most, found 3 records"],
  [
    "unique",
    { unique: true },
    [song(1), song(2), song(2, { n: 1 })],
    "expected each key once, found 1 key more than once; the first on page 1, record 3, key 2",
  ],
  ["nullShare.mood", { nullShare: { mood: 0.5 } }, [song(1, { mood: "x" }), song(2)], null],
  [
    "nullShare.mood",
    { nullShare: { mood: 0.4 } },
    [song(1, { mood: "x" }), song(2, { mood: null })],
    "expected null or missing in a share of 0.4 at most, found 0.5 (1 of 2 records; the first on page 1, record 2, key 2)",
  ],
  [
    "range.length",
    { range: { length: { min: 0, max: 600 } } },
    [song(1, { length: 600 }), song(2, { length: 601 }), song(3, { length: -1 }), song(4)],
    "expected at least 0 and at most 600, found 601 in 2 records; the first on page 1, record 2, key 2",
  ],
  [
    "range.meta.at",
    { range: { "meta.at": { min: "2020-01-01" } } },
    [
      song(1, { meta: { at: "2019-12-31T23:30:00-01:00" } }),
      song(2, { meta: { at: "1970-01-01T00:00:00Z" } }),
    ],
    'expected at least 2020-01-01, found "1970-01-01T00:00:00Z" in 1 record; the first on page 1, record 2, key 2',
  ],
  ["fresh", { fresh: FRESH }, [song(1, { at: "2026-01-15T11:30:00Z" }), song(2, { at: "2020-01-01" })], null],
  [
    "fresh",
    { fresh: FRESH },
    [song(1, { at: "2026-01-15T10:30:00Z" })],
    'expected the newest "at" to be 2026-01-15T11:00:00.000Z or later (3600 s before the load), found 2026-01-15T10:30:00Z',
  ],
  [
    "fresh",
    { fresh: FRESH },
    [song(1)],
    'expected the newest "at" to be 2026-01-15T11:00:00.000Z or later (3600 s before the load), found no record with a time there',
  ],
])("%s: %j", async (check, contract, list, found) => {
  const { world, load } = await withContract(contract, { list });
  const { status, error } = await load();
  expect(status).toBe(found === null ? "ok" : "failed");
  if (found === null) return;
  expect(error).toMatchObject({
    code: "CHECK_FAILED",
    message: `shop.songs: ${check} of the contract does not hold: ${found}`,
    hint: `see whether the service is right; when it is, change ${check} in the contract of the stream, then run again`,
  });
  expect(await world.rows("select outcome, received from raw_shop._loads")).toEqual([["failed", "0"]]);
});

test("a broken batch leaves the stream as it was, and every broken check is named", async () => {
  const { world, service, load } = await withContract({ rows: { min: 2 }, unique: true }, { list: songs(2) });
  await load();
  service.list = [song(3)];
  expect((await load()).error?.why).toEqual(["nothing of this stream was changed"]);
  service.list = [song(1), song(1), song(1)];
  expect((await load()).error?.message).toContain("unique of the contract");
  expect((await world.rows(READ)).flat()).toEqual(songs(2));
});

test.each<[number, number, string | null]>([
  [0.2, 12, null],
  [0.1, 12, "within a share of 0.1 of the announced total, 12, found 10 records"],
])("10 records of the announced %i within a share of %d", async (announced, total, found) => {
  const { load } = await withContract({ rows: { announced } }, { list: songs(10), announced: total });
  const { status, error } = await load();
  expect(status).toBe(found === null ? "ok" : "failed");
  if (found !== null)
    expect(error?.message).toContain(`rows.announced of the contract does not hold: expected ${found}`);
});

test("a service that announces no total cannot be held to one", async () => {
  const { load } = await withContract(
    { rows: { announced: 0.1 } },
    { list: songs(3), changes: { pagination: { type: "single" } } },
  );
  expect((await load()).error?.message).toContain("found no total was announced");
});

test("a load of a part is not held to the fewest records and the newest time", async () => {
  const { world } = await withContract({ rows: { min: 5 }, fresh: FRESH }, { list: songs(9) });
  const [result] = await world.load({ bounds: { limit: 2 } });
  expect(result).toMatchObject({ status: "ok", counts: { received: 2 } });
});

test("parts that were committed before stay when a later one breaks the contract", async () => {
  const list = Array.from({ length: 40 }, (_, index) =>
    song(index, { at: index, length: index === 35 ? -1 : 1 }),
  );
  const cursor = { field: "at", type: "number", ordered: true } as const;
  const { world } = await withContract(
    { range: { length: { min: 0 } } },
    { list, changes: { mode: "incremental", cursor } },
  );
  const result = await world.loadOne("songs", { commit_records: 10, concurrency: 1 });
  expect(result.error).toMatchObject({
    code: "CHECK_FAILED",
    why: ["what was committed before stays, nothing after it was changed"],
  });
  const rows = await world.rows("select count(*), max(cast(_key as integer)) from raw_shop.songs_latest");
  expect(rows).toEqual([["30", 29]]);
});

const mistakesOf = (contract: unknown, changes: object = {}) => {
  const parsed = parseDefinition(sourceOf(contract as ContractDefinition, changes));
  return "mistakes" in parsed ? parsed.mistakes : [];
};
const AT = "source.streams.0.contract";

test.each<[unknown, string]>([
  [{ onInvalid: "drop" }, `${AT}.onInvalid: Invalid option: expected one of "quarantine"|"accept"|"fail"`],
  [
    { onInvalid: "fail", maxInvalid: 3 },
    `${AT}.maxInvalid: of no use with onInvalid: "fail", which lets none pass`,
  ],
  [{ maxInvalidShare: 5 }, `${AT}.maxInvalidShare: expected a share, 0 to 1`],
  [{ rows: { min: 5, max: 4 } }, `${AT}.rows: min is greater than max`],
  [{ range: { id: {} } }, `${AT}.range.id: expected min, max or both`],
  [{ range: { id: { min: "b", max: 1 } } }, `${AT}.range.id: min and max are no values of one kind`],
  [
    { fresh: { field: "at" } },
    `${AT}.fresh.maxAgeSeconds: Invalid input: expected number, received undefined`,
  ],
])("a contract that cannot be meant is a mistake: %j", (contract, mistake) => {
  expect(mistakesOf(contract)).toEqual([mistake]);
});

test("what a stream cannot be held to is a mistake", () => {
  expect(mistakesOf({ unique: true }, { key: [], mode: "append" })).toEqual([
    `${AT}.unique: expected a key, which is what is unique`,
  ]);
  const files = {
    type: "files",
    name: "shop",
    streams: [{ ...stream, path: "a.csv", contract: { rows: { announced: 0 } } }],
  };
  expect(parseDefinition(files)).toEqual({
    mistakes: [`${AT}.rows.announced: of use only with a service that announces a total`],
  });
  const child = {
    ...stream,
    name: "lines",
    path: "/{id}",
    parent: "songs",
    contract: { rows: { announced: 0 } },
  };
  expect(parseDefinition({ ...sourceOf({}), streams: [stream, child] })).toEqual({
    mistakes: [
      "source.streams.1.contract: rows.announced: the lists of a stream with a parent have no common total",
    ],
  });
});
