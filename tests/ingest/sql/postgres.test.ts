import { once } from "node:events";
import { type AddressInfo, createServer, connect as dial, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { SqlSourceDefinition, SqlStreamDefinition } from "../../../core/sillon.ts";
import type { ReadJob } from "../../../ingest/reader.ts";
import { ingestSettings } from "../../../ingest/settings.ts";
import { openPostgresReader } from "../../../ingest/sql/postgres/reader.ts";
import { withWorld } from "../setup.ts";
import { type PostgresServer, postgresPrograms, startPostgres, WHY_SKIPPED } from "./postgres-server.ts";

let server: PostgresServer;

const record = z.looseObject({});

function shop(
  streams: Partial<SqlStreamDefinition>[],
  more: Partial<SqlSourceDefinition> = {},
): SqlSourceDefinition {
  return {
    type: "postgres",
    name: "shop",
    connection: { env: "MOOVITAMIX_URL" },
    streams: streams.map((stream) => ({ name: "items", key: ["id"], record, ...stream })),
    ...more,
  };
}

async function withShop(streams: Partial<SqlStreamDefinition>[], url = server.url, more = {}) {
  const world = await withWorld({ url, source: shop(streams, more) });
  const texts = async () => {
    const rows = await world.rows("select record from raw_shop.items_latest order by length(_key), _key");
    return rows.map(([text]) => String(text));
  };
  return { world, texts };
}

describe.skipIf(postgresPrograms() === undefined)(`PostgreSQL (skipped where ${WHY_SKIPPED})`, () => {
  beforeAll(async () => {
    server = await startPostgres();
  }, 60_000);
  afterAll(() => server.stop());

  test.each([
    [
      "12345678901234567890123456789012345678901234567890.10::numeric",
      "12345678901234567890123456789012345678901234567890.10",
    ],
    ["'NaN'::numeric", '"NaN"'],
    ["9223372036854775807::bigint", "9223372036854775807"],
    ["0.1::float8", "0.1"],
    ["0.1::float4", "0.1"],
    ["1e300::float8", "1e+300"],
    ["'-0'::float8", "-0"],
    ["'Infinity'::float8", '"Infinity"'],
    ["'NaN'::float8", '"NaN"'],
    ["true", "true"],
    ["null::int", "null"],
    ["timestamptz '2024-05-01 12:00:00.123456+02'", '"2024-05-01T10:00:00.123456+00:00"'],
    ["timestamp '2024-05-01 12:00'", '"2024-05-01T12:00:00"'],
    ["'infinity'::timestamptz", '"infinity"'],
    ["date '0044-03-15 BC'", '"0044-03-15 BC"'],
    ["timestamp '0044-03-15 01:02:03 BC'", '"0044-03-15T01:02:03 BC"'],
    ["interval '1 year 2 days 03:04:05.6'", '"P1Y2DT3H4M5.6S"'],
    ["'\\x00ff'::bytea", '"\\\\x00ff"'],
    ["array[1, null, 3]", "[1,null,3]"],
    ["array[['a', 'b'], ['c', 'd']]", '[["a","b"],["c","d"]]'],
    [
      '\'{"b": 1.10,   "a": 123456789012345678901234567890}\'::json',
      '{"b": 1.10,   "a": 123456789012345678901234567890}',
    ],
    ['\'{"b": 1.10,   "a": 1e2}\'::jsonb', '{"a": 100, "b": 1.10}'],
    ["E'a\\tb\\nc\\\\d\"e\\u00e9'", '"a\\tb\\nc\\\\d\\"eé"'],
    ["E'[\\n1,\\t2]'::json", "[\n1,\t2]"],
    ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'],
  ])("lands %s exactly as %s", async (sql, expected) => {
    const { world, texts } = await withShop([{ query: `select 1 as id, ${sql} as value;` }]);
    expect(await world.loadOne("items")).toMatchObject({ status: "ok", error: null });
    expect(await texts()).toEqual([`{"id":1,"value":${expected}}`]);
  });

  test("lands a table with versions, quarantine and deletions like any other stream", async () => {
    await server.sql(
      'create schema "Big"; create table "Big"."Items" (id bigint, name text); insert into "Big"."Items" values (9007199254740993, \'a\'), (2, null), (3, \'c\')',
    );
    const named = z.looseObject({ name: z.string() });
    const { world, texts } = await withShop([{ table: "Big.Items", record: named }]);
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 3, new: 2, quarantined: 1 });
    await server.sql(
      'update "Big"."Items" set name = \'b\' where id = 2; delete from "Big"."Items" where id = 3',
    );
    expect((await world.loadOne("items")).counts).toMatchObject({ unchanged: 1, new: 1, deleted: 1 });
    expect(await texts()).toEqual(['{"id":2,"name":"b"}', '{"id":9007199254740993,"name":"a"}']);
  });

  test("reads a big table in ranges on several connections, in one snapshot", async () => {
    await server.sql(
      "create table big as select n as id, repeat(md5(n::text), 30) as filler from generate_series(1, 40000) as n",
    );
    const { world } = await withShop([{ table: "big" }]);
    const result = await world.loadOne("items");
    expect(result).toMatchObject({ status: "ok", error: null, counts: { received: 40_000, new: 40_000 } });
    // As many COPYs as ranges.
    expect(result.requests).toBeGreaterThan(8);
    const [sums] = await world.rows("select count(distinct _key), sum(_key::int) from raw_shop.items_latest");
    expect(sums).toEqual(["40000", String((40_000 * 40_001) / 2)]);
  });

  /** What a reader hands on for a range. */
  async function readRange(stream: Partial<SqlStreamDefinition>, range: Partial<ReadJob["range"]>) {
    const { world } = await withShop([stream]);
    const reader = openPostgresReader(world.ctx, {
      source: shop([stream]),
      settings: ingestSettings.parse({}),
    });
    const texts: string[] = [];
    await reader.read({
      stream: "items",
      range: { since: null, until: null, limit: null, ...range },
      traffic: { requests: 0, retries: 0, sizeBytes: 0 },
      signal: world.ctx.signal,
      readsAgain: false,
      warehouse: null,
      parents: async function* () {},
      restart: async () => void texts.splice(0),
      onBatch: async ({ records }) => void texts.push(...records.map(({ text }) => text)),
    });
    return texts;
  }

  test("asks an incremental stream for what is new, in the order of its cursor", async () => {
    await server.sql(
      "create table changes as select n as id, case when n < 6 then timestamptz '2024-01-01 00:00+00' + (10 - n) * interval '1 hour' end as at from generate_series(1, 6) as n",
    );
    const stream: Partial<SqlStreamDefinition> = {
      table: "changes",
      mode: "incremental",
      cursor: { field: "at" },
    };
    const ids = (texts: string[]) => texts.map((text) => JSON.parse(text).id);
    expect(ids(await readRange(stream, {}))).toEqual([5, 4, 3, 2, 1, 6]);
    expect(ids(await readRange(stream, { since: "2024-01-01T07:00:00+00:00" }))).toEqual([3, 2, 1, 6]);
    const both = { since: "2024-01-01T06:00:00+00:00", until: "2024-01-01T08:00:00+00:00" };
    expect(ids(await readRange(stream, both))).toEqual([4, 3, 6]);
    expect(ids(await readRange(stream, { limit: 2 }))).toEqual([5, 4]);
  });

  /** A way to the server that is cut after so many bytes of answers, each time a number of the list. */
  async function cutAfter(limits: number[]): Promise<string> {
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      const upstream = dial(server.port, "127.0.0.1");
      let left = limits.shift() ?? Number.POSITIVE_INFINITY;
      for (const one of [socket, upstream]) sockets.add(one.on("error", () => {}));
      socket.pipe(upstream);
      upstream.on("data", (data) => {
        left -= data.length;
        if (left >= 0) return void socket.write(data);
        socket.resetAndDestroy();
        upstream.destroy();
      });
      upstream.on("end", () => socket.end());
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    });
    return server.url.replace(String(server.port), String((proxy.address() as AddressInfo).port));
  }

  test("reads again from the start when the connection is lost at any byte", async () => {
    await server.sql(
      "create table lines as select n as id, md5(n::text) as text from generate_series(1, 20000) as n",
    );
    const { world } = await withShop([{ table: "lines" }], await cutAfter([10, 2000, 50_000, 400_000]));
    const result = await world.loadOne("items");
    expect(result).toMatchObject({
      status: "ok",
      retries: 4,
      counts: { received: 20_000, new: 20_000, duplicate: 0 },
    });
    expect(world.log.map(({ message }) => message).join("\n")).toMatch(
      /shop\.items: .*read again from its start, attempt 2 of 6/,
    );
  });

  test("fails whole, with nothing changed, when the server is lost for good", async () => {
    await server.sql("create table kept as select n as id from generate_series(1, 5000) as n");
    const url = await cutAfter([Number.POSITIVE_INFINITY, 5000, 5000]);
    const { world, texts } = await withShop([{ table: "kept" }], url);
    await world.loadOne("items");
    await server.sql("insert into kept values (5001)");
    const result = await world.loadOne("items", { max_attempts: 2 });
    expect(result.error).toMatchObject({
      code: "DATABASE_UNREACHABLE",
      why: ["tried 2 times"],
      hint: expect.stringMatching(/nothing of this stream was changed/),
    });
    expect(await texts()).toHaveLength(5000);
    expect((await world.loadOne("items")).counts).toMatchObject({ received: 5001, new: 1 });
  });

  test("reads again when an administrator ends its session", async () => {
    await server.sql(
      "create table ended as select n as id, repeat('x', 500) as t from generate_series(1, 2000) as n",
    );
    const { world } = await withShop([{ query: "select * from ended where pg_sleep(0.00001) is not null" }]);
    const loading = world.loadOne("items");
    for (let found = 0; found === 0; )
      found = (
        await server.sql(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sillon' and query like 'copy%'",
        )
      ).length;
    expect(await loading).toMatchObject({
      status: "ok",
      retries: 1,
      counts: { received: 2000, duplicate: 0 },
    });
  });

  test.each([
    [
      { table: "itens" },
      "TABLE_UNKNOWN",
      /unknown table "itens"/,
      /nearest names: .*items/,
      /capitals matter/,
    ],
    [
      { table: "items", key: ["idd"] },
      "COLUMN_UNKNOWN",
      /unknown column "idd" in key/,
      /nearest names: id/,
      /correct the name/,
    ],
    [
      { query: "select id,\n  nam from items" },
      "QUERY_FAILED",
      /column "nam" does not exist/,
      /SQLSTATE 42703/,
      /correct the stream's/,
    ],
    [
      { query: "delete from items returning *" },
      "QUERY_FAILED",
      /syntax error/,
      /SQLSTATE 42601/,
      /correct the stream's/,
    ],
  ])("says what is wrong with %o", async (stream, code, message, why, hint) => {
    await server.sql("create table if not exists items (id int, name text)");
    const { world } = await withShop([stream]);
    const { error } = await world.loadOne("items");
    expect(error).toMatchObject({
      code,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    expect(error?.why.join("\n")).toMatch(why);
    if (/does not exist/.test(error?.message ?? "")) expect(error?.where).toBe("shop.items, query 2:3");
  });

  test("says that the password is wrong, without it", async () => {
    const url = server.url.replace("owner-password", "not-the-password");
    const { world } = await withShop([{ query: "select 1 as id" }], url);
    const { error, retries } = await world.loadOne("items");
    expect(error).toMatchObject({
      code: "DATABASE_UNAUTHORIZED",
      hint: expect.stringMatching(/valid user and password into MOOVITAMIX_URL/),
    });
    expect([retries, JSON.stringify([error, world.log])].join()).not.toContain("not-the-password");
    expect(retries).toBe(0);
  });

  test("says that nobody is there", async () => {
    const { world } = await withShop([{ query: "select 1 as id" }], "postgres://nobody@127.0.0.1:1/none");
    const { error } = await world.loadOne("items", { max_attempts: 2 });
    expect(error).toMatchObject({ code: "DATABASE_UNREACHABLE", where: "127.0.0.1:1/none" });
  });

  test("refuses a row that is larger than the setting", async () => {
    const { world } = await withShop([{ query: "select 1 as id, repeat('x', 3000000) as t" }]);
    const { error } = await world.loadOne("items", { max_body_mb: 1 });
    expect(error).toMatchObject({ code: "ROW_TOO_LARGE", hint: expect.stringMatching(/max_body_mb/) });
  });

  test("says that texts of an unknown encoding are no UTF-8", async () => {
    await server.sql("create database ascii encoding 'SQL_ASCII' template template0");
    const url = server.url.replace(/postgres$/, "ascii");
    const { world } = await withShop(
      [{ query: "select 1 as id, convert_from('\\xff'::bytea, 'SQL_ASCII') as t" }],
      url,
    );
    expect((await world.loadOne("items")).error).toMatchObject({
      code: "DATABASE_ENCODING",
      hint: expect.stringMatching(/LATIN1/),
    });
  });
});

test.each([
  ["CONNECTION_MISSING", "", /holds no connection/],
  ["CONNECTION_INVALID", "mysql://root@localhost/x", /is not an address of PostgreSQL/],
])("reports %s before anything is asked", async (code, url, message) => {
  const { world } = await withShop([{ table: "items" }], url);
  await expect(world.load()).rejects.toMatchObject({
    code,
    exitCode: 2,
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/postgres:\/\/user:password@/),
  });
});
