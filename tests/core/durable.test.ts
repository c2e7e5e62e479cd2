import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeFolder, writeDurably } from "../../core/durable.ts";
import { temporaryFolder } from "../e2e/cli.ts";

test("a folder is made with those above it, with their mode, and stays as it is when it is there", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "a"), { mode: 0o755 });
  makeFolder(join(folder, "a/b/c"), { mode: 0o700 });
  writeFileSync(join(folder, "a/b/c/file"), "kept");
  makeFolder(join(folder, "a/b/c"));
  const modes = ["a", "a/b", "a/b/c"].map((path) => statSync(join(folder, path)).mode & 0o777);
  expect(modes).toEqual([0o755, 0o700, 0o700]);
  expect(readFileSync(join(folder, "a/b/c/file"), "utf8")).toBe("kept");
  writeFileSync(join(folder, "a/file"), "");
  expect(() => makeFolder(join(folder, "a/file/b"))).toThrow("ENOTDIR");
});

test("a file is replaced whole and leaves nothing beside it", () => {
  const folder = temporaryFolder();
  const file = join(folder, "one.json");
  writeDurably(file, "first");
  writeDurably(file, Buffer.from("second"), { mode: 0o600 });
  expect([readFileSync(file, "utf8"), statSync(file).mode & 0o777, readdirSync(folder)]).toEqual([
    "second",
    0o600,
    ["one.json"],
  ]);
});
