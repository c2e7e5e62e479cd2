import { existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { faultPoint } from "#faults";
import type { Context } from "../core/context.ts";
import { makeFolder, syncPath } from "../core/durable.ts";
import { messageOf, ProjectError } from "../core/errors.ts";
import { requireVersion } from "../core/versions.ts";
import { openError, settingError } from "./duckdb-errors.ts";
import { readFacts } from "./duckdb-facts.ts";
import { literal, quote } from "./duckdb-names.ts";
import { DuckdbSession } from "./duckdb-session.ts";
import { duckdbDialect } from "./duckdb-sql.ts";
import {
  type CatalogRelation,
  type Engine,
  type FileFormat,
  firstColumn,
  type QueryFacts,
  type Relation,
  type RelationKind,
  relationKey,
  type Session,
} from "./engine.ts";
import { attachDoors } from "./postgres-doors/attach.ts";
import type { DoorsPlace, PostgresDoors } from "./postgres-doors/doors.ts";
import type { DuckdbTarget } from "./profiles.ts";

/** Files that the program itself has the engine read and write. */
export interface OwnFiles {
  files: readonly string[];
  /** Databases that are attached, each with the logs beside it. */
  databases: readonly string[];
}

/**
 * Opens the warehouse for writing. One process at a time can: throws WAREHOUSE_HELD (exit 3) naming the other.
 * SQL reaches no file but these: the warehouse, `own`, and what the profile's `allowed_directories` holds.
 * With `readsPostgres` the engine has doors to servers, if DuckDB's extension for them can be had.
 */
export async function openDuckdb(
  ctx: Context,
  target: DuckdbTarget,
  own?: OwnFiles,
  { readsPostgres = false }: { readsPostgres?: boolean } = {},
): Promise<Engine> {
  const path = target.path === ":memory:" ? target.path : resolve(ctx.projectDir, target.path);
  const folder = path === ":memory:" ? ctx.projectDir : dirname(path);
  createFolder(folder);
  checkLog(path);
  const isNew = path !== ":memory:" && !existsSync(path);
  const { instance, late } = await createInstance(path, settingsOf(target));
  // The engine synchronises the file, and not that it is there.
  if (isNew) syncPath(folder);
  const connection = await instance.connect();
  // Only what was found to be whole is merged with its log, when the command is over.
  await connection.run("pragma disable_checkpoint_on_shutdown");
  await prepare(ctx, connection, target);
  const doors = readsPostgres ? await attachDoors(ctx, connection, target) : undefined;
  await confine(connection, { folders: allowedFolders(ctx, target), own, late });
  return new DuckdbEngine(instance, connection, { ctx, path, doors });
}

const CHECKPOINT_POLL_MS = 2;

/**
 * One of DuckDB's own threads writes the checkpoint. Whoever awaits a statement of DuckDB offers its thread for the work,
 * and looks for some in a loop while another one does it: a core at full load for nothing, as long as it takes.
 */
async function checkpoint(connection: DuckDBConnection): Promise<void> {
  const threads = await connection.runAndReadAll("select current_setting('threads')::integer");
  if (threads.getRows()[0]?.[0] === 1) {
    await connection.run("checkpoint");
    return;
  }
  const { DuckDBPendingResultState } = await import("@duckdb/node-api");
  const pending = (await connection.prepare("checkpoint")).start();
  do await setTimeout(CHECKPOINT_POLL_MS);
  while (pending.runTask() !== DuckDBPendingResultState.RESULT_READY);
  await pending.getResult();
}

/** What a profile lets SQL read and write. */
export function allowedFolders(ctx: Context, { allowed_directories }: DuckdbTarget): string[] {
  return (allowed_directories ?? []).map((allowed) =>
    isUrl(allowed) ? allowed : resolve(ctx.projectDir, allowed),
  );
}

/** DuckDB's own settings of a profile. */
export function settingsOf({ settings, memory_limit }: DuckdbTarget): Record<string, string> {
  return { ...settings, ...(memory_limit === undefined ? {} : { memory_limit }) };
}

/** Extensions and other databases that the profile names: before anything is confined. */
export async function prepare(
  ctx: Context,
  connection: DuckDBConnection,
  target: DuckdbTarget,
): Promise<void> {
  for (const name of target.extensions ?? []) {
    try {
      await connection.run(`load ${quote(name)}`).catch(async () => {
        await connection.run(`install ${quote(name)}`);
        await connection.run(`load ${quote(name)}`);
      });
    } catch (error) {
      throw settingError("extensions", name, error);
    }
  }
  for (const { path, alias, type, read_only } of target.attach ?? []) {
    const isFile =
      path !== ":memory:" && !/^\w+:/.test(path) && (type === undefined || /^(duckdb|sqlite)$/i.test(type));
    const options = [
      ...(type === undefined ? [] : [`type ${quote(type)}`]),
      ...(read_only ? ["read_only"] : []),
    ];
    const as = alias === undefined ? "" : ` as ${quote(alias)}`;
    const using = options.length === 0 ? "" : ` (${options.join(", ")})`;
    try {
      await connection.run(
        `attach if not exists ${literal(isFile ? resolve(ctx.projectDir, path) : path)}${as}${using}`,
      );
    } catch (error) {
      throw settingError("attach", path, error);
    }
  }
}

/** Opens a file that is only read, such as a published copy: never blocked by, and never blocking, a run. */
export async function openDuckdbReadOnly(ctx: Context, path: string, own?: OwnFiles): Promise<Engine> {
  const { instance } = await createInstance(path, { access_mode: "READ_ONLY" });
  const connection = await instance.connect();
  await confine(connection, { folders: [], own });
  return new DuckdbEngine(instance, connection, { ctx, path });
}

/** The version of the engine that this machine has, such as `v1.5.5`. Throws when it cannot be loaded. */
export async function engineVersion(): Promise<string> {
  const { version } = await import("@duckdb/node-api");
  return version();
}

/** A log without its database: the engine would begin an empty one, and forget the log. */
function checkLog(path: string): void {
  const log = `${path}.wal`;
  if (existsSync(path) || !existsSync(log) || statSync(log).size === 0) return;
  throw openError(
    path,
    new Error(`not a valid DuckDB database: it is gone, and its log ${log} is still there`),
  );
}

function createFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw openError(folder, error);
  }
}

const REQUIRED = {
  name: "DuckDB",
  packageName: "@duckdb/node-bindings",
  minimum: "1.5.0",
  why: "older ones lose committed rows when the disk fills",
};

interface Created {
  instance: DuckDBInstance;
  /** Settings of extensions, such as `TimeZone`: known only when the instance is there. */
  late: Record<string, string>;
}

/** Throws VERSION_TOO_OLD (exit 4) for an engine that is too old to be trusted with data. */
export async function createInstance(path: string, options: Record<string, string>): Promise<Created> {
  const { DuckDBInstance: Instance, version } = await import("@duckdb/node-api");
  requireVersion(version(), REQUIRED);
  try {
    return { instance: await Instance.create(path, options), late: {} };
  } catch (error) {
    const name = /To set the (\w+) setting, the \w+ extension/.exec(messageOf(error))?.[1];
    const value = name === undefined ? undefined : options[name];
    if (name !== undefined && value !== undefined) {
      const { [name]: _, ...others } = options;
      const created = await createInstance(path, others);
      return { ...created, late: { ...created.late, [name]: value } };
    }
    for (const [name, value] of Object.entries(options)) {
      if (!(await isSetting(Instance, { [name]: value }))) throw settingError(name, value, error);
    }
    throw openError(path, error);
  }
}

/** DuckDB does not say which setting it refused. */
async function isSetting(Instance: typeof DuckDBInstance, option: Record<string, string>): Promise<boolean> {
  try {
    (await Instance.create(":memory:", option)).closeSync();
    return true;
  } catch {
    return "access_mode" in option; // A database in memory cannot be read-only.
  }
}

function isUrl(path: string): boolean {
  return /^\w+:\/\//.test(path);
}

/** What DuckDB puts beside a database while it works. */
const LOG_ENDINGS = ["", ".wal", ".wal.checkpoint", ".wal.recovery"];

/**
 * Results do not depend on the machine's time zone, `late` settings are made, and SQL reaches these folders and files and nothing
 * else; set last, since it cannot be widened again.
 */
export async function confine(
  connection: DuckDBConnection,
  {
    folders,
    own,
    late = {},
  }: { folders: readonly string[]; own: OwnFiles | undefined; late?: Record<string, string> },
): Promise<void> {
  const databases = own?.databases.flatMap((file) => LOG_ENDINGS.map((ending) => `${file}${ending}`));
  const files = [...(own?.files ?? []), ...(databases ?? [])];
  await connection.run("set global timezone = 'UTC'");
  for (const [name, value] of Object.entries(late)) {
    try {
      await connection.run(`set global ${quote(name)} = ${literal(value)}`);
    } catch (error) {
      throw settingError(name, value, error);
    }
  }
  await connection.run("set global errors_as_json = true");
  await connection.run(`set allowed_directories = [${folders.map(literal).join(", ")}]`);
  await connection.run(`set allowed_paths = [${files.map(literal).join(", ")}]`);
  await connection.run("set enable_external_access = false");
  await connection.run("set lock_configuration = true");
}

const INTERRUPT_MS = 50;

export class DuckdbEngine implements Engine {
  readonly type = duckdbDialect.type;
  readonly helpers = duckdbDialect.helpers;
  readonly checks = duckdbDialect.checks;
  readonly helperArguments = duckdbDialect.helperArguments;
  readonly quote = duckdbDialect.quote;
  readonly literal = duckdbDialect.literal;
  readonly epochMs = duckdbDialect.epochMs;
  readonly nameOf = duckdbDialect.nameOf;
  private readonly sessions = new Set<DuckdbSession>();
  private readonly main: DuckdbSession;
  private interrupting: NodeJS.Timeout | undefined;
  private isDamaged = false;
  private readonly onError = (error: Error) => {
    if (error instanceof ProjectError && error.code === "WAREHOUSE_DAMAGED") this.isDamaged = true;
  };
  private readonly onAbort = () => {
    const interrupt = () => {
      for (const session of this.sessions) session.interrupt();
    };
    interrupt();
    // A statement that was given but did not begin yet forgets an interrupt.
    this.interrupting = setInterval(interrupt, INTERRUPT_MS);
  };

  constructor(
    private readonly instance: DuckDBInstance,
    connection: DuckDBConnection,
    private readonly place: {
      ctx: Context;
      /** The database that sessions use, when not the one that was opened. */
      database?: string;
      /** The file that was opened. */
      path?: string;
      doors?: DoorsPlace | undefined;
    },
  ) {
    this.main = new DuckdbSession(connection, place.ctx.signal, {
      onError: this.onError,
      path: place.path,
    });
    this.sessions.add(this.main);
    place.ctx.signal.addEventListener("abort", this.onAbort);
  }

  get postgres(): PostgresDoors | undefined {
    return this.place.doors;
  }

  async openSession(): Promise<Session> {
    const { ctx, database, path } = this.place;
    const connection = await this.instance.connect();
    if (database !== undefined) await connection.run(`use ${quote(database)}`);
    const session = new DuckdbSession(connection, ctx.signal, {
      onClose: () => this.sessions.delete(session),
      onError: this.onError,
      path,
    });
    this.sessions.add(session);
    return session;
  }

  factsOf(queries: readonly string[]): Promise<QueryFacts[]> {
    return readFacts(queries, (sql, values) => this.main.query(sql, values));
  }

  /** Not of a file that is damaged, which stays as it is. On a connection of its own: an interrupted run has to be able to end with it. */
  async checkpoint(): Promise<void> {
    if (this.isDamaged) throw new Error("the database file is damaged");
    const connection = await this.instance.connect();
    try {
      await checkpoint(connection);
    } finally {
      connection.closeSync();
    }
  }

  async relations(): Promise<Map<string, RelationKind>> {
    const found = await this.main.query(RELATIONS);
    return new Map(
      found.rows.map(([schema, name, type, database]) => [
        relationKey({
          ...(database === null ? {} : { database: String(database) }),
          schema: String(schema),
          name: String(name),
        }),
        type === "view" ? "view" : "table",
      ]),
    );
  }

  async rowEstimates(): Promise<Map<string, number>> {
    const found = await this.main.query(
      "select schema_name, table_name, estimated_size, case when database_name <> current_database() then database_name end from duckdb_tables() where not temporary",
    );
    return new Map(
      found.rows.map(([schema, name, rows, database]) => [
        relationKey({
          ...(database === null ? {} : { database: String(database) }),
          schema: String(schema),
          name: String(name),
        }),
        Number(rows),
      ]),
    );
  }

  async catalog(): Promise<CatalogRelation[]> {
    const { rows } = await this.main.query(CATALOG);
    const relations = new Map<string, CatalogRelation>();
    for (const [database, schema, name, kind, comment, rowCount, column, type, columnComment] of rows) {
      const relation: Relation = {
        ...(database === null ? {} : { database: String(database) }),
        schema: String(schema),
        name: String(name),
      };
      const former = relations.get(relationKey(relation));
      const entry = former ?? {
        ...relation,
        kind: kind === "view" ? "view" : "table",
        comment: textOrNull(comment),
        rowCount: rowCount === null ? null : Number(rowCount),
        columns: [],
      };
      if (former === undefined) relations.set(relationKey(relation), entry);
      entry.columns.push({ name: String(column), type: String(type), comment: textOrNull(columnComment) });
    }
    return [...relations.values()];
  }

  async createSchemas(schemas: Iterable<string>): Promise<void> {
    const existing = new Set(
      firstColumn(
        await this.main.query(
          "select schema_name from information_schema.schemata where catalog_name = current_database()",
        ),
      ),
    );
    for (const schema of schemas) {
      if (!existing.has(schema)) await this.main.run(`create schema if not exists ${quote(schema)}`);
    }
  }

  async exportTo(file: string, relations: readonly Relation[]): Promise<void> {
    await this.main.run(`attach ${literal(file)} as published`);
    try {
      await this.main.transaction(async () => {
        for (const schema of new Set(relations.map((relation) => relation.schema))) {
          await this.main.run(`create schema if not exists published.${quote(schema)}`);
        }
        for (const relation of relations) {
          const name = this.nameOf(relation);
          await faultPoint("publish.table");
          await this.main.run(`create table published.${name} as from ${name}`);
        }
      });
      // A copy of the file must not depend on a log beside it: everything goes into the file itself.
      await this.main.run("checkpoint published");
    } finally {
      await this.main.run("detach published");
    }
  }

  async copyTo(file: string, from: Relation | { query: string }, format: FileFormat): Promise<number> {
    const options = { parquet: "format parquet", csv: "format csv, header true", ndjson: "format json" };
    return this.main.run(
      `copy ${"query" in from ? `(${from.query})` : this.nameOf(from)} to ${literal(file)} (${options[format]})`,
    );
  }

  close(): void {
    this.place.ctx.signal.removeEventListener("abort", this.onAbort);
    clearInterval(this.interrupting);
    this.place.doors?.close();
    for (const session of this.sessions) session.close();
    this.instance.closeSync();
  }
}

/** As information_schema.tables, which takes three times as long. */
const RELATIONS = `
with relations as (
    select database_name, schema_name, table_name as name, 'table' as kind from duckdb_tables()
    union all
    select database_name, schema_name, view_name, 'view' from duckdb_views()
)
select schema_name, name, kind, nullif(database_name, current_database())
from relations
where database_name not in ('system', 'temp')`;

/** One row a column. */
const CATALOG = `
with relations as (
    select database_name, schema_name, table_name as name, 'table' as kind, comment, estimated_size as row_count
    from duckdb_tables() where not internal and not temporary
    union all
    select database_name, schema_name, view_name, 'view', comment, null
    from duckdb_views() where not internal and not temporary
)
select
    nullif(relations.database_name, current_database()),
    relations.schema_name,
    relations.name,
    relations.kind,
    relations.comment,
    relations.row_count,
    columns.column_name,
    columns.data_type,
    columns.comment
from relations
join duckdb_columns() as columns
    on columns.database_name = relations.database_name
    and columns.schema_name = relations.schema_name
    and columns.table_name = relations.name
order by relations.database_name, relations.schema_name, relations.name, columns.column_index`;

function textOrNull(value: unknown): string | null {
  return value === null || value === "" ? null : String(value);
}
