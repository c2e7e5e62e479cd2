import { createHmac } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import Sqlite from "libsql";
import { makeFolder } from "../../core/durable.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { FEEDBACK_TABLES } from "./tables.ts";

/** Opens data/feedback.db, made when it is missing. Throws FEEDBACK_UNREADABLE (exit 4), leaving the file as it is. */
export function openFeedback(file: string): Sqlite.Database {
  let sqlite: Sqlite.Database | undefined;
  try {
    makeFolder(dirname(file), { mode: 0o700 });
    checkLog(file);
    sqlite = new Sqlite(file, { timeout: 5_000 });
    const [check] = sqlite.prepare("pragma quick_check(1)").all() as { quick_check: string }[]; // SQLite's own answer
    if (check?.quick_check !== "ok") throw new Error(`the file is damaged: ${check?.quick_check ?? ""}`);
    sqlite.exec("pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;");
    if (!isMade(sqlite)) sqlite.exec(`begin immediate;${FEEDBACK_TABLES}commit;`);
    return sqlite;
  } catch (error) {
    sqlite?.close();
    throw new ProjectError("FEEDBACK_UNREADABLE", {
      message: `the store of feedback cannot be opened: ${messageOf(error)}`,
      where: file,
      hint: "check its permissions and the free space; a damaged file is moved away, and feedback that was landed is in the warehouse",
      exitCode: EXIT.environment,
      cause: error,
    });
  }
}

/** SQLite would make a new file, and throw away what the former one's log holds. */
function checkLog(file: string): void {
  const log = `${file}-wal`;
  if (!existsSync(file) && (statSync(log, { throwIfNoEntry: false })?.size ?? 0) > 0)
    throw new Error(
      `the file is gone, and ${basename(log)} beside it holds what was stored last: move the file back, or both away`,
    );
}

/** It is made with its tables, in one go; to look takes no lock that another program could hold. */
function isMade(sqlite: Sqlite.Database): boolean {
  const tables = sqlite.prepare("select name from sqlite_master where name = 'meta'").all();
  return tables.length > 0 && sqlite.prepare("select name from meta where name = 'salt'").all().length > 0;
}

/** By which users who asked to be forgotten are recognised without being named. */
export function readErasures(sqlite: Sqlite.Database): {
  hashes: Set<string>;
  hashOf: (user: string) => string;
} {
  const { value } = sqlite.prepare("select value from meta where name = 'salt'").get() as { value: string }; // made with the tables
  const rows = sqlite.prepare("select user_hash from erasures").all() as { user_hash: string }[]; // its own table
  return {
    hashes: new Set(rows.map(({ user_hash }) => user_hash)),
    hashOf: (user) => createHmac("sha256", value).update(user).digest("hex"),
  };
}
