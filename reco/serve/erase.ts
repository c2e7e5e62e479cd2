import { hash } from "node:crypto";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "libsql";
import { ProjectError } from "../../core/errors.ts";
import { ALIASES, checkSeal, currentStore, listStores, pointTo, sealStore } from "./store.ts";

/** Takes a user out of every prepared store, former ones included. A damaged one, which nobody serves, is removed. */
export async function eraseFromStores(folder: string, user: string): Promise<void> {
  for (const name of listStores(folder)) {
    const file = join(folder, name);
    const copy = `${file}.erase`;
    if (!isWhole(file)) {
      rmSync(file, { force: true });
      continue;
    }
    try {
      copyFileSync(file, copy);
      if (!removeUser(copy, user)) continue;
      const base = name.replace(/(-[0-9a-f]+)?\.db$/, "");
      const made = sealStore(folder, copy, base);
      for (const alias of ALIASES) {
        const current = currentStore(folder, alias);
        if (current?.file === file) pointTo(folder, { alias, store: made, version: current.modelVersion });
      }
      rmSync(file, { force: true });
    } finally {
      for (const rest of [copy, `${copy}-journal`]) rmSync(rest, { force: true });
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** What is damaged must not get a new seal. */
function isWhole(file: string): boolean {
  try {
    checkSeal(file, hash("sha256", readFileSync(file), "hex"));
    return true;
  } catch (error) {
    if (error instanceof ProjectError) return false;
    throw error;
  }
}

/** Whether there was something to remove. */
function removeUser(file: string, user: string): boolean {
  const store = new Sqlite(file);
  try {
    const known = store.prepare("select 1 from users where user_id = ?").get(user);
    if (known === undefined || known === null) return false;
    store.exec("pragma journal_mode = delete; pragma secure_delete = on; begin");
    for (const table of ["lists", "playlists", "users"])
      store.prepare(`delete from ${table} where user_id = ?`).run(user);
    store.prepare("delete from features where entity in ('user', 'user_track') and id = ?").run(user);
    store
      .prepare("update meta set value = cast(cast(value as integer) - 1 as text) where name = 'users'")
      .run();
    store.exec("commit");
    return true;
  } finally {
    store.close();
  }
}
