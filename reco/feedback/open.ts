import { createHmac } from "node:crypto";
import { dirname } from "node:path";
import Sqlite from "libsql";
import { makeFolder } from "../../core/durable.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { FEEDBACK_TABLES } from "./tables.ts";

/** Opens data/feedback.db, made when it is missing. Throws FEEDBACK_UNREADABLE (exit 4), leaving the file as it is. */
export function openFeedback(file: string): Sqlite.Database {
  let sqlite: Sqlite.Database | undefined;
  try {
    makeFolder(dirname(file), { mode: 0o700 });
    sqlite = new Sqlite(file, { timeout: 5_000 });
    const [check] = sqlite.prepare("pragma quick_check(1)").all() as { quick_check: string }[]; // SQLite's own answer
    if (check?.quick_check !== "ok") throw new Error(`the file is damaged: ${check?.quick_check ?? ""}`);
    sqlite.exec("pragma journal_mode = wal; pragma synchronous = full; pragma secure_delete = on;");
    sqlite.exec(FEEDBACK_TABLES);
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
