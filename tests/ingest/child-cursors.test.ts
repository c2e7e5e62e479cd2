import type { ServerResponse } from "node:http";
import { expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { RestSourceDefinition, RestStreamDefinition } from "../../core/sillon.ts";
import { previewIngest } from "../../ingest/ingest.ts";
import { resetStream } from "../../ingest/reset.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { streamStatus } from "../../ingest/status.ts";
import { type Asked, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";

const record = z.looseObject({ id: z.number() });

interface Order {
  id: number;
  at: string;
  note?: string;
}

interface Shop {
  /** The orders of each customer, by the customer's id. */
  orders: Map<number, Order[]>;
  /** Answers instead, when it returns true. */
  answer: (asked: Asked, response: ServerResponse) => boolean;
  /** What orders were asked for: customer and `since`. */
  asked: string[];
}

const day = (number: number) => `2026-01-${String(number).padStart(2, "0")}T00:00:00Z`;
const ordersOf = (...days: number[]) => days.map((number) => ({ id: number, at: day(number) }));

/** A service that lists customers, and the orders of each, only those since a time when it is asked to. */
async function withShop(changes: Partial<RestStreamDefinition> = {}, { filters = true } = {}) {
  const server = await startListServer({ form: "single", list: [] });
  onTestFinished(() => server.stop());
  const shop: Shop = {
    orders: new Map([
      [1, ordersOf(1, 2, 3)],
      [2, ordersOf(5)],
      [3, []],
    ]),
    answer: () => false,
    asked: [],
  };
  server.answer = (asked, response) => {
    const [, , customer] = asked.url.pathname.split("/");
    const [since, until] = [asked.url.searchParams.get("since"), asked.url.searchParams.get("until")];
    if (customer !== undefined)
      shop.asked.push([customer, since, until].filter((one) => one !== null).join(" "));
    if (shop.answer(asked, response)) return true;
    const list =
      customer === undefined
        ? [...shop.orders.keys()].map((id) => ({ id }))
        : (shop.orders.get(Number(customer)) ?? []).filter(({ at }) => !filters || at >= (since ?? ""));
    return response.end(JSON.stringify({ items: list })) === response;
  };
  const customers: RestStreamDefinition = { name: "customers", path: "/customers", key: ["id"], record };
  const orders: RestStreamDefinition = {
    name: "orders",
    path: "/customers/{id}/orders",
    key: ["customer_id", "id"],
    record,
    parent: "customers",
    fromParent: { customer_id: "id" },
    mode: "incremental",
    cursor: { field: "at", parameter: "since", untilParameter: "until" },
    ...changes,
  };
  const source: RestSourceDefinition = {
    name: "moovitamix",
    baseUrl: { env: "MOOVITAMIX_URL" },
    pagination: { type: "single" },
    streams: [customers, orders],
  };
  const world = await withWorld({ url: server.url, source });
  const load = async (bounds = {}, settings = {}) => {
    shop.asked = [];
    await world.load({ streams: ["customers"], settings });
    const [result] = await world.load({ streams: ["orders"], bounds, settings });
    shop.asked.sort();
    return result;
  };
  const cursors = () =>
    world.rows(
      `select parent, "cursor" from raw_moovitamix._cursors where stream = 'orders' order by parent`,
    );
  return { shop, world, source, load, cursors };
}

test("asks each parent's list from its own cursor on", async () => {
  const { shop, load, cursors } = await withShop();
  expect(await load()).toMatchObject({ status: "ok", counts: { received: 4, new: 4 } });
  expect(shop.asked).toEqual(["1", "2", "3"]);
  expect(await cursors()).toEqual([
    ["1", day(3)],
    ["2", day(5)],
  ]);
  shop.orders.get(1)?.push(...ordersOf(4));
  expect(await load()).toMatchObject({ status: "ok", counts: { received: 3, new: 1, unchanged: 2 } });
  expect(shop.asked).toEqual([`1 ${day(3)}`, `2 ${day(5)}`, "3"]);
  expect(await cursors()).toEqual([
    ["1", day(4)],
    ["2", day(5)],
  ]);
});

test("takes all that a new parent has, however old it is", async () => {
  const { shop, world, load } = await withShop();
  await load();
  shop.orders.set(4, ordersOf(1, 2));
  expect(await load()).toMatchObject({ counts: { new: 2 } });
  expect(shop.asked).toContain("4");
  expect(await world.texts("orders")).toContain(`{"customer_id":4,"id":1,"at":"${day(1)}"}`);
});

test("leaves out what is older, list by list, when the service ignores the parameter", async () => {
  const { world, load } = await withShop({}, { filters: false });
  await load();
  expect(await load()).toMatchObject({ status: "ok", counts: { received: 2, unchanged: 2 } });
  expect(world.log.filter(({ event }) => event === "records_unasked").map(({ message }) => message)).toEqual([
    expect.stringContaining("2 records outside the range"),
  ]);
});

test("keeps what came of the other lists when one fails, and goes on from there", async () => {
  const { shop, world, load, cursors } = await withShop();
  shop.answer = ({ url }, response) => {
    const isBroken = url.pathname === "/customers/1/orders";
    if (isBroken) response.writeHead(403).end("{}");
    return isBroken;
  };
  const failed = await load();
  expect(failed).toMatchObject({ status: "failed", error: { code: "API_FORBIDDEN" } });
  expect(failed?.error?.message).toContain("moovitamix.orders of customers 1, page 1");
  expect(failed?.error?.why).toContain("the other lists were loaded");
  expect(await cursors()).toEqual([["2", day(5)]]);
  expect(await world.texts("orders")).toHaveLength(1);
  shop.answer = () => false;
  const [healed] = await world.load({ onlyFailed: true });
  expect(healed).toMatchObject({
    stream: "orders",
    status: "ok",
    counts: { received: 4, new: 3, unchanged: 1 },
  });
});

test("gives up when the service as a whole fails, and keeps the lists that had come", async () => {
  const { shop, load, cursors } = await withShop();
  shop.orders = new Map(Array.from({ length: 60 }, (_, index) => [index + 10, ordersOf(1)]));
  let answered = 0;
  shop.answer = ({ url }, response) => {
    if (url.pathname === "/customers" || ++answered <= 5) return false;
    return response.writeHead(401).end("{}") === response;
  };
  expect(await load({}, { concurrency: 2 })).toMatchObject({
    status: "failed",
    error: { code: "API_UNAUTHORIZED" },
  });
  expect(answered).toBeLessThan(10);
  expect((await cursors()).length).toBe(5);
});

test("commits lists batch by batch, each batch with a row of its own", async () => {
  const { shop, world, load } = await withShop();
  shop.orders = new Map(Array.from({ length: 30 }, (_, index) => [index, ordersOf(1, 2)]));
  expect(await load({}, { commit_records: 20 })).toMatchObject({ counts: { received: 60, new: 60 } });
  const rows = await world.rows(
    "select received, new, outcome from raw_moovitamix._loads where stream = 'orders' order by load_id",
  );
  expect(rows).toEqual(["20", "20", "20", "0"].map((count) => [count, count, "ok"]));
});

test("--full reads every list whole, and the children of a parent that is gone count as deleted", async () => {
  const { shop, load, cursors } = await withShop();
  await load();
  shop.orders.delete(1);
  expect(await load()).toMatchObject({ counts: { received: 1, deleted: 0 } });
  expect((await cursors()).map(([parent]) => parent)).toEqual(["1", "2"]);
  expect(await load({ full: true })).toMatchObject({ counts: { received: 1, unchanged: 1, deleted: 3 } });
  expect(shop.asked).toEqual(["2", "3"]);
  expect((await cursors()).map(([parent]) => parent)).toEqual(["2"]);
});

test("--full changes nothing when one list fails", async () => {
  const { shop, world, load } = await withShop();
  await load();
  shop.orders.delete(1);
  shop.answer = ({ url }, response) =>
    url.pathname === "/customers/2/orders" && response.writeHead(403).end("{}") === response;
  expect(await load({ full: true })).toMatchObject({ status: "failed", counts: { deleted: 0 } });
  expect(await world.texts("orders")).toHaveLength(4);
});

test("--since and --until load a part of every list, and no cursor passes what was left out", async () => {
  const { shop, load, cursors } = await withShop();
  await load({ until: day(3) });
  expect(shop.asked).toEqual([`1 ${day(3)}`, `2 ${day(3)}`, `3 ${day(3)}`]);
  expect(await cursors()).toEqual([["1", day(2)]]);
  expect(await load({ since: day(5) })).toMatchObject({ counts: { received: 1 } });
  expect(await cursors()).toEqual([["1", day(2)]]);
  expect(await load()).toMatchObject({ counts: { received: 3, new: 1, unchanged: 2 } });
  expect(await cursors()).toEqual([
    ["1", day(3)],
    ["2", day(5)],
  ]);
});

test("--limit ends after so many records and moves no cursor", async () => {
  const { load, cursors } = await withShop();
  expect(await load({ limit: 2 })).toMatchObject({ status: "ok", counts: { received: 2, new: 2 } });
  expect(await cursors()).toEqual([]);
});

test("append streams with a cursor go on list by list too", async () => {
  const { shop, world, load } = await withShop({ mode: "append" });
  await load();
  shop.orders.get(2)?.push({ id: 5, at: day(5), note: "again" });
  expect(await load()).toMatchObject({ counts: { received: 3, new: 1, unchanged: 2 } });
  expect(await world.texts("orders")).toHaveLength(5);
});

test("lists are asked for again from their start after a reset, and when the cursors are lost", async () => {
  const { shop, world, source, load, cursors } = await withShop();
  await load();
  const [, stream] = source.streams;
  if (stream === undefined) throw new Error("no stream");
  await resetStream(world.ctx, world.engine, { source, stream, drop: false });
  expect(await cursors()).toEqual([]);
  expect(await load()).toMatchObject({ counts: { received: 4, unchanged: 4 } });
  expect(shop.asked).toEqual(["1", "2", "3"]);
  const session = await world.engine.openSession();
  await session.run("drop table raw_moovitamix._cursors");
  session.close();
  expect(await load()).toMatchObject({ counts: { received: 4, unchanged: 4 } });
  expect(await cursors()).toHaveLength(2);
});

test("cursors that are odd are told once for all lists", async () => {
  const { shop, world, load, cursors } = await withShop();
  for (const id of [1, 2]) shop.orders.get(id)?.push({ id: 9, at: "soon" });
  await load();
  const odd = world.log.filter(({ event }) => event === "cursor_odd");
  expect(odd.map(({ fields }) => fields.count)).toEqual([2]);
  expect((await cursors()).map(([, cursor]) => cursor)).toEqual([day(3), day(5)]);
});

test("a dry run asks for one list from its cursor on, and writes nothing", async () => {
  const { shop, world, source, load } = await withShop();
  await load();
  shop.asked = [];
  const settings = ingestSettings.parse({});
  const [preview] = await previewIngest(world.ctx, world.engine, {
    sources: [source],
    streams: ["orders"],
    settings,
  });
  expect(preview).toMatchObject({ stream: "orders", mode: "incremental", firstRecords: 1, error: null });
  expect(shop.asked).toEqual([`1 ${day(3)}`]);
});

test("the status tells how many lists have a cursor", async () => {
  const { world, source, load } = await withShop();
  const [, stream] = source.streams;
  if (stream === undefined) throw new Error("no stream");
  const status = () => streamStatus(world.engine, { streams: [{ source, stream }], asOf: null });
  expect(await status()).toMatchObject([{ cursor: null, records: 0 }]);
  await load();
  expect(await status()).toMatchObject([{ cursor: "of 2 parents", records: 4 }]);
});
