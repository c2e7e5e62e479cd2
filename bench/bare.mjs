// The bare statements of a project, in one process on one connection: what a runner's own cost is measured against.
// Usage: node bare.mjs PROJECT models|test
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";

const [folder = ".", which = "models"] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(join(folder, "target/manifest.json"), "utf8"));
const results = JSON.parse(readFileSync(join(folder, `bench-${which}.json`), "utf8")).results;
const instance = await DuckDBInstance.create(join(folder, "data/warehouse.duckdb"), { threads: "2" });
const connection = await instance.connect();
for (const { unique_id, compiled_code } of results) {
  const name = manifest.nodes[unique_id].relation_name;
  const sql =
    which === "models"
      ? `create or replace table ${name} as (\n${compiled_code}\n)`
      : `select count(*) from (\n${compiled_code}\n)`;
  await connection.run(sql);
}
connection.closeSync();
instance.closeSync();
console.log(`${results.length} statements`);
