import { z } from "zod";
import { copyAside, freeSpace } from "../core/aside.ts";
import { EXIT, messageOf, ProjectError } from "../core/errors.ts";
import { SqlError } from "./engine.ts";

const reportedError = z.object({
  exception_type: z.string(),
  exception_message: z.string(),
  position: z.coerce.number().optional(),
});

/** Blocks that are not as they were written. */
const DAMAGE =
  /not a valid DuckDB|Corrupt (database|WAL) file|computed checksum|Could not read enough bytes from file/i;

/** The file that a message names. */
function fileIn(message: string): string | undefined {
  return /file "([^"]+)"/.exec(message)?.[1];
}

/** The engine's error about `sql`, as SqlError; a full disk becomes ProjectError DISK_FULL (exit 4). */
export function duckdbError(error: unknown, sql: string, path?: string): Error {
  const text = messageOf(error);
  if (/Cannot prepare multiple statements/i.test(text)) return severalStatements(error);
  const reported = parseReported(text);
  const { exception_type = "", exception_message = text, position } = reported ?? {};
  if (/No space left on device|Out of disk/i.test(text))
    return diskFull(exception_message, fileIn(exception_message) ?? path, error);
  if (DAMAGE.test(text)) return damaged(fileIn(exception_message) ?? path, exception_message, error);
  if (reported === undefined) return new SqlError(text, { cause: error });
  return new SqlError(`${exception_type} Error: ${exception_message}`, {
    offset: position === undefined ? undefined : characterOffset(sql, position),
    cause: error,
  });
}

/** A query is put into a statement of ours, which it must not end to begin another one. */
function severalStatements(cause: unknown): SqlError {
  return new SqlError("it holds more than one statement: write a single select", { cause });
}

/** DuckDB would run what stands before it, and say nothing of the rest. */
export function nulInStatement(sql: string): SqlError {
  return new SqlError("it holds a NUL character: write chr(0)", { offset: sql.indexOf("\0") });
}

/** With `errors_as_json`, DuckDB answers a JSON object, some kinds of error with a title before it. */
function parseReported(text: string): z.infer<typeof reportedError> | undefined {
  const start = text.indexOf("{");
  if (start < 0) return undefined;
  try {
    return reportedError.parse(JSON.parse(text.slice(start)));
  } catch {
    return undefined; // Not a reported error: the text is shown as it is.
  }
}

/** DuckDB counts bytes of UTF-8. */
function characterOffset(sql: string, byteOffset: number): number {
  return Buffer.from(sql, "utf8").subarray(0, byteOffset).toString("utf8").length;
}

function diskFull(text: string, path: string | undefined, cause: unknown): ProjectError {
  return new ProjectError("DISK_FULL", {
    message: "the disk is full",
    where: path,
    why: [text.split("\n")[0] ?? text, ...freeSpace(path)],
    hint: "free some space and run the command again: nothing that was committed is lost",
    exitCode: EXIT.environment,
    cause,
  });
}

/** A setting of profiles.yml that the engine refuses. */
export function settingError(name: string, value: string, cause: unknown): ProjectError {
  return new ProjectError("SETTING_INVALID", {
    message: `DuckDB refuses the setting ${name}: ${JSON.stringify(value)}`,
    where: "profiles.yml",
    hint: "correct its name or its value; DuckDB's own names are in its table duckdb_settings()",
    exitCode: EXIT.usage,
    cause,
  });
}

/** Why a database file could not be opened. */
export function openError(path: string, error: unknown): ProjectError {
  const text = messageOf(error);
  const holder = /Conflicting lock is held in (.+?) \(PID (\d+)\)/.exec(text);
  if (holder || /used by another process|lock on file/i.test(text)) {
    return new ProjectError("WAREHOUSE_HELD", {
      message: "the warehouse is held by another process",
      where: path,
      why: [holder ? `held by ${holder[1]}, pid ${holder[2]}` : "the system does not say by which"],
      hint: "close that program, or read data/published/latest.duckdb, which is never held",
      exitCode: EXIT.locked,
      cause: error,
    });
  }
  if (DAMAGE.test(text) || /deserializ|WAL file|Failed to load|magic bytes/i.test(text))
    return damaged(path, text, error);
  return new ProjectError("WAREHOUSE_UNREADABLE", {
    message: "the database file cannot be opened",
    where: path,
    why: [text.split("\n")[0]?.slice(0, 300) ?? text],
    hint: "check the path, its permissions and the settings in profiles.yml; the file was not touched",
    exitCode: EXIT.environment,
    cause: error,
  });
}

function damaged(path: string | undefined, text: string, cause: unknown): ProjectError {
  return new ProjectError("WAREHOUSE_DAMAGED", {
    message: "the database file is damaged, or is not one of DuckDB",
    where: path,
    why: [
      text.split("\n")[0]?.slice(0, 300) ?? text,
      "it was not touched; readers still have data/published/",
      ...(path === undefined ? [] : [path, `${path}.wal`].flatMap(copyAside)),
    ],
    hint: "put a backup in its place; or move it away and run the pipeline: tables are loaded and built anew, former versions of records are lost",
    exitCode: EXIT.environment,
    cause,
  });
}
