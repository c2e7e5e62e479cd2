import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Context } from "../core/context.ts";
import {
  allowedFolders,
  confine,
  createInstance,
  DuckdbEngine,
  type OwnFiles,
  prepare,
  settingsOf,
} from "./duckdb.ts";
import { openError } from "./duckdb-errors.ts";
import { literal, quote } from "./duckdb-names.ts";
import { databaseName } from "./duckdb-sql.ts";
import type { Engine } from "./engine.ts";
import type { DuckdbTarget } from "./profiles.ts";

/** What the copied file is called while it is attached: no database of a project has this name. */
const COPIED = "__sillon_copied";

/**
 * A database in memory with all schemas, tables, views and macros of the warehouse and none of its rows, by the
 * same names. The file is only read, and let go when this returns; without a file the copy is empty. Throws
 * WAREHOUSE_HELD (exit 3) while another process writes to it.
 */
export async function openDuckdbCopy(ctx: Context, target: DuckdbTarget, own?: OwnFiles): Promise<Engine> {
  const { instance, late } = await createInstance(":memory:", settingsOf(target));
  const connection = await instance.connect();
  try {
    await prepare(ctx, connection, { ...target, attach: readOnly(ctx, target) });
    const name = databaseName(target.path);
    if (target.path !== ":memory:") await copySchema(connection, resolve(ctx.projectDir, target.path), name);
    await connection.run(`use ${quote(name)}`);
    await confine(connection, { folders: allowedFolders(ctx, target), own, late });
    return new DuckdbEngine(instance, connection, { ctx, database: name });
  } catch (error) {
    instance.closeSync();
    throw error;
  }
}

async function copySchema(connection: DuckDBConnection, path: string, name: string): Promise<void> {
  await connection.run(`attach ':memory:' as ${quote(name)}`);
  if (!existsSync(path)) return;
  try {
    await connection.run(`attach ${literal(path)} as ${quote(COPIED)} (read_only)`);
    await connection.run(`copy from database ${quote(COPIED)} to ${quote(name)} (schema)`);
    await connection.run(`detach ${quote(COPIED)}`);
  } catch (error) {
    throw openError(path, error);
  }
}

/** The other databases of the profile, as they can be read; files that a run would make are empty ones. */
function readOnly(ctx: Context, { attach }: DuckdbTarget): NonNullable<DuckdbTarget["attach"]> {
  return (attach ?? []).map((entry) => {
    const isUrl = /^\w+:/.test(entry.path);
    const isThere = isUrl || existsSync(resolve(ctx.projectDir, entry.path));
    if (isThere) return { ...entry, read_only: true };
    return { ...entry, path: ":memory:", alias: entry.alias ?? databaseName(entry.path), type: undefined };
  });
}
