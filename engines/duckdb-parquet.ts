import { literal, quote } from "./duckdb-names.ts";

/**
 * The rows of a Parquet file as JSON text, some thousand at once. Whole numbers and decimals have all their digits; of
 * columns with real numbers NaN and infinite ones are texts; times, dates and bytes are texts as DuckDB writes them.
 * Throws what DuckDB says of a file that is no Parquet.
 */
export async function* parquetRows(path: string): AsyncGenerator<string[]> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const connection = await instance.connect();
  try {
    await connection.run("set timezone = 'UTC'");
    await connection.run("set preserve_insertion_order = true");
    await connection.run(`set allowed_paths = [${literal(path)}]`);
    await connection.run("set enable_external_access = false");
    const file = `read_parquet(${literal(path)})`;
    const described = await connection.runAndReadAll(`describe from ${file}`);
    const members = described
      .getRowsJson()
      .map(([name, type]) => memberSql(String(name), String(type)))
      .join(" || ',' || ");
    const result = await connection.stream(`select '{' || ${members} || '}' from ${file}`);
    for (let chunk = await result.fetchChunk(); chunk !== null && chunk.rowCount > 0; ) {
      yield chunk.getColumnValues(0).map(String);
      chunk = await result.fetchChunk();
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function memberSql(name: string, type: string): string {
  const column = quote(name);
  return `${literal(`${JSON.stringify(name)}:`)} || coalesce(${valueSql(column, type)}, 'null')`;
}

function valueSql(column: string, type: string): string {
  // JSON has no zeros at the end of a number of its own: the text of a decimal keeps them.
  if (/^DECIMAL\(\d+,\s*\d+\)$/.test(type)) return `cast(${column} as varchar)`;
  const json = `cast(to_json(${column}) as varchar)`;
  if (type !== "DOUBLE" && type !== "FLOAT") return json;
  return `case when isfinite(${column}) then ${json} else '"' || cast(${column} as varchar) || '"' end`;
}
