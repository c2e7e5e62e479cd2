import { copyFileSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, onTestFinished, test } from "vitest";
import { fileMark } from "../../engines/file-mark.ts";

async function withDatabase(
  file: string,
  sql: string[],
  options: Record<string, string> = {},
): Promise<void> {
  const instance = await DuckDBInstance.create(file, options);
  const connection = await instance.connect();
  for (const statement of sql) await connection.run(statement);
  connection.closeSync();
  instance.closeSync();
}

async function database(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-mark-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "w.duckdb");
  await withDatabase(file, ["create table t as from range(10) as r(a)"]);
  return file;
}

test.each([
  ["an update", "update t set a = 100 where a = 3"],
  ["an insert", "insert into t values (11)"],
  ["a new column", "alter table t add column b integer"],
  ["a table that is dropped", "drop table t"],
  ["a view", "create view v as from t"],
])("%s changes the mark", async (_, sql) => {
  const file = await database();
  const before = fileMark(file);
  await withDatabase(file, [sql]);
  expect(before).not.toBeNull();
  expect(fileMark(file)).not.toBe(before);
});

test("reading does not change the mark, in whichever mode the file is opened", async () => {
  const file = await database();
  const before = fileMark(file);
  await withDatabase(file, ["from t"], { access_mode: "READ_ONLY" });
  await withDatabase(file, ["from t", "create temp table x as from t"]);
  expect(fileMark(file)).toBe(before);
});

test("a backup that is put back has another mark, also with the time of the file that it replaces", async () => {
  const file = await database();
  copyFileSync(file, `${file}.backup`);
  await withDatabase(file, ["update t set a = 100"]);
  const mark = fileMark(file);
  copyFileSync(`${file}.backup`, file);
  utimesSync(file, 1, 1);
  expect(fileMark(file)).not.toBe(mark);
});

test("there is no mark without a file, and none beside a log", async () => {
  const file = await database();
  writeFileSync(`${file}.wal`, "");
  expect(fileMark(file)).toBeNull();
  expect(fileMark(`${file}.missing`)).toBeNull();
});
