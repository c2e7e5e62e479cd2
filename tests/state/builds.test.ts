import { readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  type BuildBook,
  type BuildRecord,
  buildBookFile,
  closeBuildBook,
  noteForeign,
  openBuildBook,
  writeBuildBook,
} from "../../state/builds.ts";
import { temporaryContext } from "./folder.ts";

const RECORD: BuildRecord = {
  id: "model.shop.a",
  text: "t",
  query: "q",
  config: "c",
  place: { "the engine's version": "v1" },
  inputs: { "source.shop.s.t": "load 3", "source.shop.s.u": null },
  unstable: null,
  version: "v",
};

function file(): string {
  return buildBookFile(temporaryContext().ctx.projectDir, "/w.duckdb");
}

test("what is known of a warehouse is read again while the warehouse has the same mark", () => {
  const path = file();
  const book = openBuildBook(path, "mark");
  expect(book.state).toBe("new");
  book.builds.set("main.a", RECORD);
  writeBuildBook(path, "mark", book);
  const again = openBuildBook(path, "mark");
  expect(again.state).toBe("trusted");
  expect(again.builds.get("main.a")).toEqual(RECORD);
  expect(again.foreign).toBe(book.foreign);
});

test("nothing that was known holds for a warehouse with another mark, or with none", () => {
  const path = file();
  const book = openBuildBook(path, "mark");
  book.builds.set("main.a", RECORD);
  writeBuildBook(path, "mark", book);
  for (const mark of ["other", null]) {
    const changed = openBuildBook(path, mark);
    expect(changed.state).toBe("changed");
    expect(changed.builds.size).toBe(0);
    expect([...changed.former]).toEqual(["main.a"]);
    expect(changed.foreign).not.toBe(book.foreign);
  }
});

test.each(["", "{", "{}", '{"format": 99}'])("a file that holds %j counts as none", (text) => {
  const path = file();
  writeBuildBook(path, "mark", openBuildBook(path, "mark"));
  writeFileSync(path, text);
  expect(openBuildBook(path, "mark").state).toBe("new");
});

test("a file in which somebody changed a word counts as none", () => {
  const path = file();
  const book = openBuildBook(path, "mark");
  book.builds.set("main.a", RECORD);
  writeBuildBook(path, "mark", book);
  writeFileSync(path, readFileSync(path, "utf8").replace("main.a", "main.b"));
  expect(openBuildBook(path, "mark").state).toBe("new");
});

test("each warehouse has a file of its own", () => {
  expect(buildBookFile("/data/builds", "/a.duckdb")).not.toBe(buildBookFile("/data/builds", "/b.duckdb"));
});

test("a command that does not close the book was cut short", () => {
  const path = file();
  expect(openBuildBook(path, "mark").isCut).toBe(false);
  expect(openBuildBook(path, "mark").isCut).toBe(true);
  closeBuildBook(path);
  expect(openBuildBook(path, "mark").isCut).toBe(false);
});

test("the file is written again only when something in it is different", () => {
  const path = file();
  const first = openBuildBook(path, "mark");
  first.builds.set("main.a", RECORD);
  first.tests.set("main t", { ...RECORD, failures: 0 });
  writeBuildBook(path, "mark", first);
  const isWrittenAfter = (change: (book: BuildBook) => void, mark = "mark") => {
    utimesSync(path, 1, 1);
    const book = openBuildBook(path, "mark");
    change(book);
    writeBuildBook(path, mark, book);
    const again = openBuildBook(path, mark);
    expect(again).toMatchObject({ state: "trusted", foreign: book.foreign });
    expect([again.builds, again.tests]).toEqual([book.builds, book.tests]);
    return statSync(path).mtimeMs !== 1000;
  };
  expect(isWrittenAfter(() => {})).toBe(false);
  expect(isWrittenAfter((book) => book.builds.set("main.a", { ...RECORD, text: "u" }))).toBe(true);
  expect(isWrittenAfter((book) => book.builds.set("main.b", RECORD))).toBe(true);
  expect(isWrittenAfter((book) => book.builds.delete("main.b"))).toBe(true);
  expect(isWrittenAfter((book) => book.tests.delete("main t"))).toBe(true);
  expect(isWrittenAfter((book) => noteForeign(book))).toBe(true);
  expect(isWrittenAfter(() => {}, "other")).toBe(true);
});
