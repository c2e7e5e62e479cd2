// What loading a table is measured against. Usage: node bare-postgres.mjs copy|scan
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import pg from "pg";
import { to } from "pg-copy-streams";

const url = process.env.BENCH_POSTGRES;
if (process.argv[2] === "copy") {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  let bytes = 0;
  for await (const chunk of client.query(
    to("copy (select row_to_json(_record.*) from orders as _record) to stdout"),
  ))
    bytes += chunk.length;
  await client.end();
  console.log(bytes);
} else {
  const instance = await DuckDBInstance.create(join(process.env.BENCH_FOLDER, "bare.duckdb"), {
    threads: "2",
  });
  const connection = await instance.connect();
  await connection.run(`load '${process.env.DUCKDB_POSTGRES_EXTENSION}'`);
  await connection.run(`attach '${url}' as source (type postgres, read_only)`);
  await connection.run("create table orders as from source.public.orders");
  connection.closeSync();
  instance.closeSync();
}
