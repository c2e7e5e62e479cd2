import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { withWorld } from "../setup.ts";
import { CASES, cells, EVERYTHING } from "./everything.ts";
import { type PostgresServer, postgresPrograms, startPostgres, WHY_SKIPPED } from "./postgres-server.ts";

let server: PostgresServer;

/** A check that nothing fails: rows are then looked at one by one. */
const oneByOne = (record: z.ZodType) => record.refine(() => true);

async function load(stream: Partial<SqlStreamDefinition>) {
  const full: SqlStreamDefinition = { name: "items", key: ["id"], record: z.looseObject({}), ...stream };
  const source = {
    type: "postgres" as const,
    name: "shop",
    connection: { env: "MOOVITAMIX_URL" },
    streams: [full],
  };
  const world = await withWorld({ url: server.url, source });
  return { world, result: await world.loadOne("items") };
}

describe.skipIf(postgresPrograms() === undefined)(
  `rows by their types (skipped where ${WHY_SKIPPED})`,
  () => {
    beforeAll(async () => {
      server = await startPostgres();
      await server.sql(EVERYTHING);
    }, 60_000);
    afterAll(() => server.stop());

    test.each(CASES)(
      "are landed, cell by cell, as when they are looked at one by one: %s",
      async (_, given) => {
        const stream = {
          ...(given.query === undefined ? { table: "everything" } : {}),
          record: z.looseObject({}),
          ...given,
        };
        const byTypes = await load(stream);
        const apart = await load({ ...stream, record: oneByOne(stream.record) });
        expect(byTypes.result).toMatchObject({ status: "ok", error: null });
        expect(byTypes.result.counts.received).toBe(307);
        expect(await cells(byTypes.world)).toEqual(await cells(apart.world));
      },
    );

    test("come in batches by their size, not of a thousand", async () => {
      await server.sql("create table many as select n as id from generate_series(1, 3000) as n");
      const byTypes = await load({ table: "many" });
      const apart = await load({ table: "many", record: oneByOne(z.looseObject({})) });
      expect([byTypes.result.pages, apart.result.pages]).toEqual([1, 3]);
      expect(await cells(byTypes.world)).toEqual(await cells(apart.world));
    });

    test("name the first of those that break the contract", async () => {
      const stream = {
        table: "everything",
        record: z.looseObject({ id: z.number() }),
        contract: { onInvalid: "fail" as const },
      };
      const byTypes = await load(stream);
      const apart = await load({ ...stream, record: oneByOne(stream.record) });
      expect(byTypes.result.error).toMatchObject({ code: "CONTRACT_BROKEN" });
      expect(byTypes.result.error?.message).toBe(apart.result.error?.message);
      expect(byTypes.result.error?.why).toEqual(apart.result.error?.why);
    });

    test("are looked at one by one where types do not say all", async () => {
      await server.sql(
        `create table texts (id int, document json); insert into texts values (1, '{"a": "\\ud800"}'), (2, '{}')`,
      );
      const { result, world } = await load({ table: "texts" });
      expect(result.counts).toMatchObject({ received: 2, new: 1, quarantined: 1 });
      expect(await world.rows("select reason from raw_shop._quarantine")).toEqual([
        ["half of a surrogate pair"],
      ]);
    });
  },
);
