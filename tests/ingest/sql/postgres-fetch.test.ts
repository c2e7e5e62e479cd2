import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import { withWorld } from "../setup.ts";
import { CASES, cells, EVERYTHING } from "./everything.ts";
import { EXTENSION_MISSING, extensionFolder } from "./postgres-extension.ts";
import { type PostgresServer, postgresPrograms, startPostgres, WHY_SKIPPED } from "./postgres-server.ts";

let server: PostgresServer;
const extensions = extensionFolder();
const isSkipped = postgresPrograms() === undefined || extensions === undefined;

async function load(stream: Partial<SqlStreamDefinition>, through: "fetch" | "copy") {
  const full: SqlStreamDefinition = { name: "items", key: ["id"], record: z.looseObject({}), ...stream };
  const source = {
    type: "postgres" as const,
    name: "shop",
    connection: { env: "MOOVITAMIX_URL" },
    streams: [full],
  };
  const options = through === "fetch" && extensions !== undefined ? { extensions } : {};
  const world = await withWorld({ url: server.url, source, ...options });
  const result = await world.loadOne("items");
  return { world, result, told: world.log.filter(({ event }) => event === "postgres_extension") };
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
      const fetched = await load(stream, "fetch");
      const copied = await load(stream, "copy");
      expect(fetched.told).toEqual([]);
      expect(fetched.result).toMatchObject({ status: "ok", error: null });
      expect(fetched.result.counts.received).toBe(307);
      expect(await cells(fetched.world)).toEqual(await cells(copied.world));
    });
  },
);
