// `npm run bench -- postgres [rows]`: a table of PostgreSQL into the raw tables, against a bare COPY to nowhere and,
// where DUCKDB_POSTGRES_EXTENSION names the extension's file, against DuckDB's own scan of the table.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { extensionFolder } from "../tests/ingest/sql/postgres-extension.ts";
import { startPostgres } from "../tests/ingest/sql/postgres-server.ts";
import { measureNode, type Usage } from "./measure.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const BARE = fileURLToPath(new URL("./bare-postgres.mjs", import.meta.url));

const SOURCE = `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({
  name: "shop",
  type: "postgres",
  connection: { env: "BENCH_POSTGRES" },
  streams: [{ name: "orders", table: "orders", key: ["id"], updatedAt: "changed_at", record: z.looseObject({ id: z.number() }) }],
});
`;

export async function benchPostgres(rows: number): Promise<void> {
  const server = await startPostgres();
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-postgres-"));
  try {
    await server.sql(`create table orders as select n::bigint as id, n % 1000 as customer_id, 'article ' || n % 500 as article,
      (n % 10000) / 100.0 as price, n % 7 as pieces, n % 2 = 0 as is_paid,
      timestamptz '2024-01-01 00:00+00' + n * interval '1 second' as changed_at from generate_series(1, ${rows}) as n`);
    await server.sql("vacuum analyze orders");
    process.env.BENCH_POSTGRES = server.url;
    process.env.BENCH_FOLDER = folder;
    mkdirSync(join(folder, "ingest/sources"), { recursive: true });
    writeFileSync(join(folder, "project.yml"), "name: bench\n");
    writeFileSync(join(folder, "ingest/sources/shop.ts"), SOURCE);
    writeFileSync(
      join(folder, "profiles.yml"),
      `bench:\n  target: dev\n  outputs:\n    dev: { type: duckdb, path: data/warehouse.duckdb${extensionSetting()} }\n`,
    );
    const load = ["--max-old-space-size=2048", join(ROOT, "dist/cli/main.js"), "ingest"];
    const first = measureNode(load, folder);
    show("run ingest, everything new", first, rows);
    show("run ingest, nothing changed", measureNode(load, folder), rows);
    show("COPY of row_to_json to nowhere", measureNode([BARE, "copy"], folder), rows);
    if (process.env.DUCKDB_POSTGRES_EXTENSION === undefined) return;
    const bare = measureNode([BARE, "scan"], folder);
    show("DuckDB's bare postgres scan", bare, rows);
    console.log(`speed against the scan: ${(bare.wallSeconds / first.wallSeconds).toFixed(2)} (bound 0.8)`);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The engine finds the extension as if it were installed. */
function extensionSetting(): string {
  const folder = extensionFolder();
  return folder === undefined ? "" : `, settings: { extension_directory: ${JSON.stringify(folder)} }`;
}

function show(what: string, usage: Usage, rows: number): void {
  const rate = Math.round(rows / usage.wallSeconds);
  console.log(
    `${what}: ${usage.wallSeconds.toFixed(2)} s, CPU ${usage.cpuSeconds.toFixed(2)} s, peak ${usage.peakMb.toFixed(0)} MB, ${rate} rows/s`,
  );
}
