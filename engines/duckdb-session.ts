import type { DuckDBConnection, DuckDBResult, DuckDBType } from "@duckdb/node-api";
import { faultPoint } from "#faults";
import { csvQuery, firstWrongValue, readCsv } from "./duckdb-csv.ts";
import { duckdbError, nulInStatement } from "./duckdb-errors.ts";
import { insertLines, insertPacked } from "./duckdb-landing.ts";
import { literal, quote } from "./duckdb-names.ts";
import * as statements from "./duckdb-statements.ts";
import {
  type ColumnType,
  type CsvFile,
  type LandingLines,
  type LandingType,
  type Relation,
  type RelationKind,
  type RowMatch,
  type Rows,
  type Session,
  SqlError,
  type TableDefinition,
  type Value,
} from "./engine.ts";

import type { Columns, PackedRows } from "./packed-rows.ts";

/** DuckDB fills its vectors by this many rows. */
const CHUNK_ROWS = 2048;

/** Asking for the kind before each statement would cost more than the statement, the more tables there are. */
const OTHER_KIND = /is of type (View|Table), trying to replace with type (View|Table)/;

export class DuckdbSession implements Session {
  private readonly landingTypes = new Map<string, LandingType[]>();
  private isClosed = false;
  private runningStatements = 0;
  private isInTransaction = false;

  constructor(
    private readonly connection: DuckDBConnection,
    private readonly signal: AbortSignal,
    private readonly more: {
      onClose?: () => void;
      /** Told of every error of a statement. */
      onError?: (error: Error) => void;
      path?: string | undefined;
    } = {},
  ) {}

  private failure(error: unknown, sql: string): Error {
    const failure = duckdbError(error, sql, this.more.path);
    this.more.onError?.(failure);
    return failure;
  }

  async query(sql: string, values?: readonly Value[]): Promise<Rows> {
    return this.execute(sql, values, async (result) => ({
      columns: result.columnNames(),
      types: result.columnTypes().map(String),
      rows: (await result.getRowsJson()) as Value[][], // DuckDB's Json type, which is Value
    }));
  }

  async queryNumbers(sql: string): Promise<Float64Array[]> {
    return this.execute(sql, [], async (result) => {
      const width = result.columnNames().length;
      const parts: Float64Array[][] = Array.from({ length: width }, () => []);
      for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
        for (let column = 0; column < width; column++) {
          const vector = chunk.getColumnVector(column);
          parts[column]?.push(
            Float64Array.from({ length: chunk.rowCount }, (_, row) =>
              Number(vector.getItem(row) ?? Number.NaN),
            ),
          );
        }
      }
      return parts.map(joined);
    });
  }

  async run(sql: string, values?: readonly Value[]): Promise<number> {
    return this.execute(sql, values, async (result) => {
      // INSERT and UPDATE report a count of changes, CREATE TABLE AS its rows as a result.
      if (result.rowsChanged > 0 || result.columnName(0) !== "Count") return result.rowsChanged;
      const chunk = await result.fetchChunk();
      return Number(chunk?.rowCount ? chunk.getColumnVector(0).getItem(0) : 0);
    });
  }

  private async execute<T>(
    sql: string,
    values: readonly Value[] = [],
    read: (result: DuckDBResult) => Promise<T>,
  ): Promise<T> {
    this.signal.throwIfAborted();
    if (sql.includes("\0")) throw nulInStatement(sql);
    this.runningStatements++;
    try {
      // Without a semicolon it is surely one statement; whether it is with some, only preparing it tells.
      if (values.length === 0 && !sql.includes(";")) return await read(await this.connection.run(sql));
      return await this.runPrepared(sql, values, read);
    } catch (error) {
      this.signal.throwIfAborted();
      throw this.failure(error, sql);
    } finally {
      this.runningStatements--;
    }
  }

  private async runPrepared<T>(
    sql: string,
    values: readonly Value[],
    read: (result: DuckDBResult) => Promise<T>,
  ): Promise<T> {
    const statement = await this.connection.prepare(sql);
    try {
      if (values.length > 0) statement.bind([...values] as never); // JSON's values are among DuckDB's
      return await read(await statement.run());
    } finally {
      statement.destroySync();
    }
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.isInTransaction) return work();
    await this.run("begin");
    this.isInTransaction = true;
    try {
      const result = await work();
      await faultPoint("transaction.commit");
      await this.run("commit");
      return result;
    } catch (error) {
      // A failed COMMIT or an interrupt may have ended the transaction already.
      await this.connection.run("rollback").catch(() => undefined);
      throw error;
    } finally {
      this.isInTransaction = false;
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

  async land(table: string, rows: readonly PackedRows[]): Promise<void> {
    this.signal.throwIfAborted();
    const name = table.replace(/^temp\.main\."(.*)"$/, "$1").replaceAll('""', '"');
    const types = this.landingTypes.get(name) ?? [];
    const statement = insertPacked(table, { types, rows });
    if (statement !== undefined) await this.runWithBytes(statement.sql, statement.texts);
    for (const { columns, rowCount } of rows)
      if ("plain" in columns) await this.appendRows(name, { types, columns: columns.plain, rowCount });
  }

  private async runWithBytes(sql: string, texts: readonly Buffer[]): Promise<void> {
    const { blobValue } = await import("@duckdb/node-api");
    await this.run(sql, texts.map((text) => blobValue(text)) as never); // bound as they are
  }

  async landLines(table: string, lines: LandingLines): Promise<number> {
    return this.run(insertLines(table, lines), [lines.text]);
  }

  private async appendRows(
    table: string,
    {
      types,
      columns,
      rowCount,
    }: {
      types: readonly LandingType[];
      columns: Columns;
      rowCount: number;
    },
  ): Promise<void> {
    const { DuckDBDataChunk, INTEGER, VARCHAR } = await import("@duckdb/node-api");
    const chunkTypes: DuckDBType[] = types.map((type) => (type === "text" ? VARCHAR : INTEGER));
    try {
      const appender = await this.connection.createAppender(table, "main", "temp");
      for (let start = 0; start < rowCount; start += CHUNK_ROWS) {
        const chunk = DuckDBDataChunk.create(chunkTypes);
        chunk.setColumns(columns.map((column) => column.slice(start, start + CHUNK_ROWS)));
        appender.appendDataChunk(chunk);
      }
      appender.closeSync();
    } catch (error) {
      throw this.failure(error, `land into ${table}`);
    }
  }

  async replaceTableFromCsv(relation: Relation, file: CsvFile): Promise<number> {
    const query = (sql: string) => this.query(sql);
    const csv = await readCsv(file, query);
    try {
      const rows = csvQuery(csv);
      return await this.replaceTable(relation, file.isEmpty ? `${rows} limit 0` : rows);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      throw (await firstWrongValue(csv, query)) ?? error;
    }
  }

  async replaceTable(relation: Relation, query: string, definition?: TableDefinition): Promise<number> {
    const name = statements.nameOf(relation);
    if (definition === undefined) {
      return this.replacing("table", relation, () =>
        this.runAround(`create or replace table ${name} as (\n`, query, "\n)"),
      );
    }
    const columns = definition.columns.map((column) => quote(column.name)).join(", ");
    const head = `insert into ${name} (${columns}) select ${columns} from (\n`;
    return this.replacing("table", relation, () =>
      this.transaction(async () => {
        await this.runOwn(statements.createTable(relation, definition));
        return this.runAround(head, query, "\n) as new_rows");
      }),
    );
  }

  async replaceView(relation: Relation, query: string): Promise<void> {
    await this.replacing("view", relation, () =>
      this.runAround(`create or replace view ${statements.nameOf(relation)} as (\n`, query, "\n)"),
    );
  }

  /** CREATE OR REPLACE does not turn a view into a table, nor a table into a view: then the other one goes first. */
  private async replacing(
    kind: RelationKind,
    relation: Relation,
    create: () => Promise<number>,
  ): Promise<number> {
    try {
      return await create();
    } catch (error) {
      if (!(error instanceof SqlError) || !OTHER_KIND.test(error.message)) throw error;
    }
    const other = kind === "table" ? "view" : "table";
    return this.transaction(async () => {
      await this.run(`drop ${other} ${statements.nameOf(relation)}`);
      return create();
    });
  }

  /** Places of errors are those of the query. */
  private async runAround(head: string, query: string, tail: string): Promise<number> {
    try {
      return await this.run(`${head}${query}${tail}`);
    } catch (error) {
      throw error instanceof SqlError ? error.inside({ start: head.length, length: query.length }) : error;
    }
  }

  /** A place in a statement that nobody wrote would mislead. */
  private async runOwn(sql: string): Promise<number> {
    try {
      return await this.run(sql);
    } catch (error) {
      throw error instanceof SqlError ? new SqlError(error.message, { cause: error }) : error;
    }
  }

  async kindOf({ schema, name }: Relation): Promise<RelationKind | undefined> {
    const found = await this.query(
      "select table_type from information_schema.tables where table_catalog = current_database() and lower(table_schema) = lower(?) and lower(table_name) = lower(?)",
      [schema, name],
    );
    const type = found.rows[0]?.[0];
    if (type === undefined) return undefined;
    return type === "VIEW" ? "view" : "table";
  }

  async columnsOf(relation: Relation): Promise<ColumnType[]> {
    return this.columnsOfQuery(`from ${statements.nameOf(relation)}`);
  }

  async columnsOfQuery(query: string): Promise<ColumnType[]> {
    const head = "describe (\n";
    try {
      const { rows } = await this.query(`${head}${query}\n)`);
      return rows.map(([name, type]) => ({ name: String(name), type: String(type) }));
    } catch (error) {
      throw error instanceof SqlError ? error.inside({ start: head.length, length: query.length }) : error;
    }
  }

  async stageRows(query: string): Promise<{ table: string; columns: ColumnType[] }> {
    await this.runAround(
      `create or replace temp table ${quote(statements.STAGED_NAME)} as (\n`,
      query,
      "\n)",
    );
    return { table: statements.STAGED, columns: await this.columnsOfQuery(`from ${statements.STAGED}`) };
  }

  async dropStaged(): Promise<void> {
    await this.run(`drop table if exists ${statements.STAGED}`);
  }

  async alterTable(
    relation: Relation,
    change: { add: readonly ColumnType[]; drop: readonly string[]; retype: readonly ColumnType[] },
  ): Promise<void> {
    for (const statement of statements.alterTable(relation, change)) await this.runOwn(statement);
  }

  async insertStaged(relation: Relation, columns: readonly string[]): Promise<number> {
    return this.runOwn(statements.insertStaged(relation, columns));
  }

  async deleteStaged(relation: Relation, match: RowMatch): Promise<number> {
    return this.runOwn(statements.deleteStaged(relation, match));
  }

  async deleteWindow(
    relation: Relation,
    { column, start, end }: { column: string; start: string; end: string },
  ): Promise<number> {
    const between = `${column} >= timestamp ${literal(start)} and ${column} < timestamp ${literal(end)}`;
    return this.runOwn(`delete from ${statements.nameOf(relation)} where ${between}`);
  }

  async mergeStaged(
    relation: Relation,
    match: RowMatch & { columns: readonly string[]; update: readonly string[] },
  ): Promise<number> {
    return this.runOwn(statements.mergeStaged(relation, match));
  }

  async describe(
    relation: Relation,
    text: { relation?: string; columns: Readonly<Record<string, string>> },
  ): Promise<void> {
    const name = statements.nameOf(relation);
    const comment = (of: string) => (of === "" ? "null" : literal(of));
    if (text.relation !== undefined)
      await this.runOwn(`comment on ${await this.kindOf(relation)} ${name} is ${comment(text.relation)}`);
    for (const [column, description] of Object.entries(text.columns))
      await this.runOwn(`comment on column ${name}.${quote(column)} is ${comment(description)}`);
  }

  interrupt(): void {
    if (!this.isClosed && this.runningStatements > 0) this.connection.interrupt();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.more.onClose?.();
    this.connection.closeSync();
  }
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    all.set(part, place);
    place += part.length;
  }
  return all;
}
