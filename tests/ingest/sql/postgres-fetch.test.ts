import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { startProxy, type Turn, type WireFault } from "../../cases/proxy.ts";
import { withWorld } from "../setup.ts";
import { CASES, cells, EVERYTHING } from "./everything.ts";
import { EXTENSION_MISSING, extensionFolder } from "./postgres-extension.ts";
import { type PostgresServer, postgresPrograms, startPostgres, WHY_SKIPPED } from "./postgres-server.ts";

let server: PostgresServer;
const extensions = extensionFolder();
const isSkipped = postgresPrograms() === undefined || extensions === undefined;

/** A world whose engine fetches rows by itself, or one that gets them over COPY. */
async function worldOf(
  stream: Partial<SqlStreamDefinition>,
  { through = "fetch", url = server.url }: { through?: "fetch" | "copy"; url?: string } = {},
) {
  const full: SqlStreamDefinition = { name: "items", key: ["id"], record: z.looseObject({}), ...stream };
  const source = {
    type: "postgres" as const,
    name: "shop",
    connection: { env: "MOOVITAMIX_URL" },
    streams: [full],
  };
  const options = through === "fetch" && extensions !== undefined ? { extensions } : {};
  return withWorld({ url, source, ...options });
}

async function load(stream: Partial<SqlStreamDefinition>, through: "fetch" | "copy" = "fetch") {
  const world = await worldOf(stream, { through });
  const result = await world.loadOne("items");
  return { world, result, told: world.log.filter(({ event }) => event === "postgres_extension") };
}

async function proxyOf(choose: (turn: Turn) => WireFault | undefined): Promise<string> {
  const proxy = await startProxy({ port: server.port }, choose);
  onTestFinished(() => proxy.stop());
  return server.url.replace(String(server.port), String(proxy.port));
}

describe.skipIf(isSkipped)(
  `rows that the engine fetches (skipped where ${WHY_SKIPPED}, or ${EXTENSION_MISSING})`,
  () => {
    beforeAll(async () => {
      server = await startPostgres();
      await server.sql(EVERYTHING);
    }, 60_000);
    afterAll(() => server.stop());

    test.each(CASES)("are, byte by byte, those that COPY gives: %s", async (_, given) => {
      const stream = {
        ...(given.query === undefined ? { table: "everything" } : {}),
        record: z.looseObject({}),
        ...given,
      };
      const fetched = await load(stream);
      const copied = await load(stream, "copy");
      expect(fetched.told).toEqual([]);
      expect(fetched.result).toMatchObject({ status: "ok", error: null });
      expect(fetched.result.counts.received).toBe(307);
      expect(await cells(fetched.world)).toEqual(await cells(copied.world));
    });

    test("hold every character that a text can hold", async () => {
      await server.sql(
        "create table letters as select n as id, 'a' || chr(n) || '\\u001F\"b' as text from generate_series(1, 55295) as n",
      );
      const [fetched, copied] = [await load({ table: "letters" }), await load({ table: "letters" }, "copy")];
      expect(fetched.told).toEqual([]);
      expect(fetched.result.counts.new).toBe(55_295);
      expect(await cells(fetched.world)).toEqual(await cells(copied.world));
    });

    test("come over several connections, of one moment, when the table is big", async () => {
      await server.sql(
        "create table big as select n as id, repeat(md5(n::text), 60) as text from generate_series(1, 9000) as n; alter table big alter text set storage plain",
      );
      await server.sql(
        "create table wide (id int, text text); alter table wide alter text set storage plain; insert into wide select * from big",
      );
      const [fetched, copied] = [await load({ table: "wide" }), await load({ table: "wide" }, "copy")];
      expect(fetched.told).toEqual([]);
      expect(fetched.result.counts).toMatchObject({ received: 9000, new: 9000 });
      expect((await cells(fetched.world)).versions).toEqual((await cells(copied.world)).versions);
    });

    test("are compared with those of the load before", async () => {
      await server.sql(
        "create table moving as select n as id, 'v' || n as text from generate_series(1, 500) as n",
      );
      const world = await worldOf({ table: "moving" });
      await world.loadOne("items");
      expect((await world.loadOne("items")).counts).toMatchObject({ unchanged: 500, new: 0, changed: 0 });
      await server.sql(
        "update moving set text = 'other' where id <= 20; delete from moving where id > 490; insert into moving values (900, null)",
      );
      const { counts } = await world.loadOne("items");
      expect(counts).toMatchObject({ received: 491, new: 1, changed: 20, unchanged: 470, deleted: 10 });
    });

    test("are read again from the start when the connection is lost, or keeps silent", async () => {
      await server.sql(
        "create table lines as select n as id, md5(n::text) as text from generate_series(1, 20000) as n",
      );
      const faults: (WireFault | undefined)[] = [
        { kind: "reset", bytes: 3000 },
        { kind: "cut", bytes: 60_000 },
        { kind: "stall", bytes: 20_000 },
      ];
      const url = await proxyOf(({ connection }) => faults[connection - 1]);
      const world = await worldOf({ table: "lines" }, { url });
      const result = await world.loadOne("items", { timeout_seconds: 0.5 });
      expect(result).toMatchObject({ status: "ok", retries: 3, counts: { received: 20_000, new: 20_000 } });
      expect(world.log.filter(({ event }) => event === "postgres_extension")).toEqual([]);
    });

    test("fail whole when the server is lost for good", async () => {
      const url = await proxyOf(() => ({ kind: "reset", bytes: 3000 }));
      const world = await worldOf({ table: "everything" }, { url });
      const { error } = await world.loadOne("items", { max_attempts: 2 });
      expect(error).toMatchObject({ code: "DATABASE_UNREACHABLE", why: ["tried 2 times"] });
      expect(JSON.stringify([error, world.log])).not.toContain("owner-password");
    });

    test("come over COPY when the engine cannot hold a value, which is told for those who look", async () => {
      await server.sql("create table far as select 1 as id, timestamp '294276-12-31 23:59:59' as late");
      const [fetched, copied] = [await load({ table: "far" }), await load({ table: "far" }, "copy")];
      expect(fetched.result.status).toBe("ok");
      expect(fetched.told).toMatchObject([{ level: "debug" }]);
      expect((await cells(fetched.world)).versions).toEqual((await cells(copied.world)).versions);
    });

    test("are not reached by SQL of others, nor is the server", async () => {
      const { world } = await load({ table: "everything" });
      const session = await world.engine.openSession();
      onTestFinished(() => session.close());
      await expect(session.query("from postgres_query('_sillon_postgres_1', 'select 1')")).rejects.toThrow(
        /no connection is lent/,
      );
      const databases = await session.query("select * from duckdb_databases()");
      expect(JSON.stringify(databases.rows)).not.toContain("owner-password");
    });

    test("larger than allowed end the load", async () => {
      await server.sql("create table heavy as select 1 as id, repeat('x', 3000000) as text");
      const world = await worldOf({ table: "heavy" });
      const { error } = await world.loadOne("items", { max_body_mb: 1 });
      expect(error).toMatchObject({ code: "ROW_TOO_LARGE" });
    });
  },
);
