import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Sqlite from "libsql";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import type { LoadBounds } from "../../../ingest/load-plan.ts";
import { withWorld } from "../setup.ts";

async function withFile(sql: string, stream: Partial<SqlStreamDefinition>) {
  const folder = mkdtempSync(join(tmpdir(), "sillon-sqlite-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "shop ?#%.db");
  const change = (statement: string) => {
    const database = new Sqlite(path);
    database.exec(statement);
    database.close();
  };
  change(sql);
  const world = await withWorld({
    url: path,
    source: {
      type: "sqlite",
      name: "shop",
      connection: { env: "MOOVITAMIX_URL" },
      streams: [{ name: "items", key: ["id"], record: z.looseObject({}), ...stream }],
    },
  });
  const texts = async () =>
    (await world.rows("select record from raw_shop.items_latest order by _key")).map(([text]) =>
      String(text),
    );
  return { world, path, change, texts };
}

test.each([
  ["9223372036854775807", "9223372036854775807"],
  ["-9223372036854775808", "-9223372036854775808"],
  ["1.0", "1.0"],
  ["0.1", "0.1"],
  ["1e300", "1e+300"],
  ["9e999", '"Infinity"'],
  ["-9e999", '"-Infinity"'],
  ["null", "null"],
  ["x'00ff'", '"\\\\x00ff"'],
  ["'a\"b' || char(10) || 'é'", '"a\\"b\\né"'],
])("lands %s exactly as %s", async (sql, expected) => {
  const { world, texts } = await withFile("create table t (a)", { query: `select 1 as id, ${sql} as value` });
  expect(await world.loadOne("items")).toMatchObject({ status: "ok", error: null });
  expect(await texts()).toEqual([`{"id":1,"value":${expected}}`]);
});

test("lands a table with its changes and deletions, and leaves the file as it is", async () => {
  const { world, path, change, texts } = await withFile(
    "create table items (id integer primary key, name text); insert into items values (1, 'a'), (2, 'b'), (3, 'c')",
    { table: "items" },
  );
  const before = readFileSync(path);
  expect((await world.loadOne("items")).counts).toMatchObject({ received: 3, new: 3 });
  expect(readFileSync(path).equals(before)).toBe(true);
  change("update items set name = 'B' where id = 2; delete from items where id = 3");
  expect((await world.loadOne("items")).counts).toMatchObject({ unchanged: 1, changed: 1, deleted: 1 });
  expect(await texts()).toEqual(['{"id":1,"name":"a"}', '{"id":2,"name":"B"}']);
});

test("never writes, whatever a query says", async () => {
  const { world, path } = await withFile("create table items (id integer); insert into items values (1)", {
    query: "delete from items returning id",
  });
  expect((await world.loadOne("items")).status).toBe("failed");
  const database = new Sqlite(path);
  expect(database.prepare("select count(*) as n from items").get()).toMatchObject({ n: 1 });
  database.close();
});

test.each([
  [{ table: "itens" }, "TABLE_UNKNOWN", /unknown table "itens"/, /nearest names: items/],
  [{ table: "items", key: ["idd"] }, "COLUMN_UNKNOWN", /unknown column "idd" in key/, /nearest names: id/],
  [{ query: "select nam from items" }, "QUERY_FAILED", /no such column: nam/, /SQLITE_ERROR/],
])("says what is wrong with %o", async (stream, code, message, why) => {
  const { world } = await withFile("create table items (id integer, name text)", stream);
  const { error } = await world.loadOne("items");
  expect(error).toMatchObject({ code, message: expect.stringMatching(message), hint: expect.any(String) });
  expect(error?.why.join("\n")).toMatch(why);
});

test.each([
  ["missing", (path: string) => rmSync(path), /there is no such file/],
  ["no database", (path: string) => writeFileSync(path, "x".repeat(5000)), /file is not a database/],
])("says that the file is %s", async (_, spoil, message) => {
  const { world, path } = await withFile("create table items (id integer)", { table: "items" });
  spoil(path);
  expect((await world.loadOne("items")).error).toMatchObject({
    code: "DATABASE_UNREADABLE",
    message: expect.stringMatching(message),
    hint: expect.stringMatching(/set MOOVITAMIX_URL to the path of a SQLite file/),
  });
});

test.each(["incremental", "append"] as const)(
  "asks a table for what is new by its cursor: %s",
  async (mode) => {
    const { world, change, texts } = await withFile(
      "create table items (id integer primary key, seq); insert into items values (1, 9), (2, 10)",
      {
        query: "select id, seq + 0 as seq from items",
        mode,
        cursor: { field: "seq", type: "number", ordered: true },
      },
    );
    const load = async (bounds: LoadBounds = {}) => {
      const [result] = await world.load({ streams: ["items"], bounds });
      expect(result).toMatchObject({ status: "ok", error: null });
      return result?.counts;
    };
    expect(await load()).toMatchObject({ received: 2, new: 2 });
    change("insert into items values (3, 10), (4, 11), (5, 12), (6, 13)");
    expect(await load({ since: "11", until: "12" })).toMatchObject({ received: 1, new: 1 });
    expect(await load({ limit: 3 })).toMatchObject({ received: 3, new: 1, unchanged: 2 });
    expect(await load()).toMatchObject({ received: 3, new: 2, unchanged: 1, deleted: 0 });
    expect(await load()).toMatchObject({ received: 1, unchanged: 1 });
    expect(await load({ full: true })).toMatchObject({ received: 6, new: 0, unchanged: 6 });
    expect(await texts()).toHaveLength(6);
  },
);
