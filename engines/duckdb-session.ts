import type { DuckDBConnection, DuckDBResultReader, DuckDBType } from "@duckdb/node-api";
import { csvQuery, firstWrongValue, readCsv } from "./duckdb-csv.ts";
import { duckdbError } from "./duckdb-errors.ts";
import { quote } from "./duckdb-sql.ts";
import {
  type CsvFile,
  type LandingType,
  type Relation,
  type Rows,
  type Session,
  SqlError,
  type Value,
} from "./engine.ts";

/** DuckDB fills its vectors by this many rows. */
const CHUNK_ROWS = 2048;

export class DuckdbSession implements Session {
  private readonly landingTypes = new Map<string, LandingType[]>();
  private isClosed = false;
  private runningStatements = 0;

  constructor(
    private readonly connection: DuckDBConnection,
    private readonly signal: AbortSignal,
    private readonly onClose: () => void = () => {},
  ) {}

  async query(sql: string, values?: readonly Value[]): Promise<Rows> {
    const reader = await this.execute(sql, values);
    return {
      columns: reader.columnNames(),
      types: reader.columnTypes().map(String),
      rows: reader.getRowsJson() as Value[][], // DuckDB's Json type, which is Value
    };
  }

  async run(sql: string, values?: readonly Value[]): Promise<number> {
    const reader = await this.execute(sql, values);
    // CREATE TABLE AS reports its rows as a result, INSERT and UPDATE as a count of changes.
    const [count] = reader.getRowsJson()[0] ?? [];
    return reader.rowsChanged || (reader.columnNames()[0] === "Count" ? Number(count ?? 0) : 0);
  }

  private async execute(sql: string, values?: readonly Value[]): Promise<DuckDBResultReader> {
    this.signal.throwIfAborted();
    this.runningStatements++;
    try {
      return await this.runPrepared(sql, values);
    } catch (error) {
      this.signal.throwIfAborted();
      throw duckdbError(error, sql);
    } finally {
      this.runningStatements--;
    }
  }

  /** Only a prepared statement is sure to be a single one. */
  private async runPrepared(sql: string, values: readonly Value[] = []): Promise<DuckDBResultReader> {
    const statement = await this.connection.prepare(sql);
    try {
      if (values.length > 0) statement.bind([...values] as never); // JSON's values are among DuckDB's
      return await statement.runAndReadAll();
    } finally {
      statement.destroySync();
    }
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.execute("begin");
    try {
      const result = await work();
      await this.execute("commit");
      return result;
    } catch (error) {
      // A failed COMMIT or an interrupt may have ended the transaction already.
      await this.connection.run("rollback").catch(() => undefined);
      throw error;
    }
  }

  async createLandingTable(name: string, columns: Readonly<Record<string, LandingType>>): Promise<string> {
    const list = Object.entries(columns).map(
      ([column, type]) => `${quote(column)} ${type === "text" ? "varchar" : "integer"}`,
    );
    await this.run(`create or replace temp table ${quote(name)} (${list.join(", ")})`);
    this.landingTypes.set(name, Object.values(columns));
    return `temp.main.${quote(name)}`;
  }

  async land(table: string, columns: readonly (readonly (string | number | null)[])[]): Promise<void> {
    const { DuckDBDataChunk, INTEGER, VARCHAR } = await import("@duckdb/node-api");
    this.signal.throwIfAborted();
    const name = table.replace(/^temp\.main\."(.*)"$/, "$1").replaceAll('""', '"');
    const types: DuckDBType[] = (this.landingTypes.get(name) ?? []).map((type) =>
      type === "text" ? VARCHAR : INTEGER,
    );
    const rowCount = columns[0]?.length ?? 0;
    try {
      const appender = await this.connection.createAppender(name, "main", "temp");
      for (let start = 0; start < rowCount; start += CHUNK_ROWS) {
        const chunk = DuckDBDataChunk.create(types);
        chunk.setColumns(columns.map((column) => column.slice(start, start + CHUNK_ROWS)));
        appender.appendDataChunk(chunk);
      }
      appender.closeSync();
    } catch (error) {
      throw duckdbError(error, `land into ${table}`);
    }
  }

  async replaceTable(relation: Relation, query: string): Promise<number> {
    return this.replace("table", relation, query);
  }

  async replaceView(relation: Relation, query: string): Promise<void> {
    await this.replace("view", relation, query);
  }

  async replaceTableFromCsv(relation: Relation, file: CsvFile): Promise<number> {
    const query = (sql: string) => this.query(sql);
    const csv = await readCsv(file, query);
    try {
      return await this.replaceTable(relation, csvQuery(csv));
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      throw (await firstWrongValue(csv, query)) ?? error;
    }
  }

  private async replace(kind: "table" | "view", relation: Relation, query: string): Promise<number> {
    const name = `${quote(relation.schema)}.${quote(relation.name)}`;
    const head = `create or replace ${kind} ${name} as (\n`;
    return this.transaction(async () => {
      await this.dropOther(kind, relation);
      try {
        return await this.run(`${head}${query}\n)`);
      } catch (error) {
        throw error instanceof SqlError ? error.inside({ start: head.length, length: query.length }) : error;
      }
    });
  }

  /** CREATE OR REPLACE does not turn a view into a table, nor a table into a view. */
  private async dropOther(kind: "table" | "view", relation: Relation): Promise<void> {
    const found = await this.query(
      "select table_type from information_schema.tables where table_catalog = current_database() and lower(table_schema) = lower(?) and lower(table_name) = lower(?)",
      [relation.schema, relation.name],
    );
    const existing = found.rows[0]?.[0];
    if (existing === undefined) return;
    const other = existing === "VIEW" ? "view" : "table";
    if (other !== kind) await this.run(`drop ${other} ${quote(relation.schema)}.${quote(relation.name)}`);
  }

  interrupt(): void {
    if (!this.isClosed && this.runningStatements > 0) this.connection.interrupt();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.onClose();
    this.connection.closeSync();
  }
}
