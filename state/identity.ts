import type Sqlite from "libsql";
import { EXIT, ProjectError } from "../core/errors.ts";

/** Whose runs a store holds. */
export interface StoreOwner {
  /** As project.yml says. */
  project: string;
  /** The project's folder. */
  folder: string;
}

/** `Sill`, in the header of every store: a database of another program has another number there, or none. */
const APPLICATION_ID = 0x53696c6c;

export function markAsOurs(sqlite: Sqlite.Database): void {
  sqlite.exec(`pragma application_id = ${APPLICATION_ID}`);
}

/** Throws STATE_FOREIGN for a database of another program. */
export function checkProgram(sqlite: Sqlite.Database, file: string): void {
  const { application_id: id } = sqlite.prepare("pragma application_id").get() as { application_id: number }; // SQLite's own answer
  if (id === APPLICATION_ID || (id === 0 && hasTable(sqlite, "runs"))) return;
  throw new ProjectError("STATE_FOREIGN", {
    message: "this is a database of another program, not a store of runs",
    where: file,
    why: ["it was not touched"],
    hint: "move the file away to start a new history, or put the store's backup in its place",
    exitCode: EXIT.environment,
  });
}

/**
 * Writes down whose store this is. A project that was renamed, or moved, keeps its store; throws STATE_OTHER_PROJECT
 * when neither name nor folder is the same.
 */
export function checkOwner(sqlite: Sqlite.Database, file: string, { project, folder }: StoreOwner): void {
  const [known] = hasTable(sqlite, "project")
    ? (sqlite.prepare("select name, folder from project").all() as { name: string; folder: string }[]) // its own columns
    : [];
  if (known?.name === project && known.folder === folder) return;
  if (known !== undefined && known.name !== project && known.folder !== folder) {
    throw new ProjectError("STATE_OTHER_PROJECT", {
      message: `the store of runs is of another project: "${known.name}"`,
      where: file,
      why: [`it was used in ${known.folder}; this is "${project}" in ${folder}`, "it was not touched"],
      hint: "put this project's own store in its place, or move the file away to start a new history",
      exitCode: EXIT.environment,
    });
  }
  sqlite.exec(
    "create table if not exists project (id integer primary key, name text not null, folder text not null)",
  );
  sqlite.prepare("insert or replace into project (id, name, folder) values (1, ?, ?)").run(project, folder);
}

function hasTable(sqlite: Sqlite.Database, name: string): boolean {
  return (
    sqlite.prepare("select 1 from sqlite_master where type = 'table' and name = ?").get(name) !== undefined
  );
}
