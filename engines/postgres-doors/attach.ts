import { setTimeout as after } from "node:timers/promises";
import type { DuckDBConnection } from "@duckdb/node-api";
import type { Context } from "../../core/context.ts";
import { messageOf } from "../../core/errors.ts";
import type { DuckdbTarget } from "../profiles.ts";
import { type DoorsPlace, openDoors } from "./doors.ts";

/** Connections that the engine reads at once: one cannot keep two of its threads busy. */
const DOORS = 4;

/**
 * Doors to servers, known to DuckDB before it is confined. Undefined, told at --debug, where its extension is not
 * installed and cannot be downloaded, or does not do what is expected of it.
 */
export async function attachDoors(
  ctx: Context,
  connection: DuckDBConnection,
  target: DuckdbTarget,
): Promise<DoorsPlace | undefined> {
  let doors: DoorsPlace | undefined;
  try {
    await connection.run("load postgres").catch(async (error: unknown) => {
      await install(target, error);
      await connection.run("load postgres");
    });
    doors = await openDoors(DOORS);
    for (const attachment of doors.attachments) await connection.run(attachment);
    return doors;
  } catch (error) {
    doors?.close();
    ctx.log.debug("postgres_extension", `PostgreSQL is read over COPY: ${messageOf(error).split("\n")[0]}`);
    return undefined;
  }
}

const INSTALL_MS = 20_000;

/** On an instance of its own, since a download cannot be ended. DuckDB checks the signature when it is loaded. */
async function install({ settings }: DuckdbTarget, whyNot: unknown): Promise<void> {
  if (/^(false|0|off)$/i.test(settings.autoinstall_known_extensions ?? "true")) throw whyNot;
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const folder = settings.extension_directory;
  const instance = await DuckDBInstance.create(
    ":memory:",
    folder === undefined ? {} : { extension_directory: folder },
  );
  const connection = await instance.connect();
  const stop = new AbortController();
  try {
    await Promise.race([
      connection.run("install postgres"),
      after(INSTALL_MS, undefined, { signal: stop.signal, ref: false }).then(() => {
        throw new Error(`the extension did not come within ${INSTALL_MS / 1000} s`);
      }),
    ]);
    connection.closeSync();
    instance.closeSync();
  } finally {
    stop.abort();
  }
}
