import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createTextReader, readTextFile } from "../../core/text-file.ts";

function read(bytes: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), "sillon-text-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "a.sql"), bytes);
  return readTextFile(folder, "a.sql");
}

test("reads UTF-8, with or without a byte order mark", () => {
  expect(read("é 😀")).toBe("é 😀");
  expect(read("\ufeffselect 1")).toBe("select 1");
});

test.each([
  ["Latin-1", Buffer.from("select 1\nas caf\xe9", "latin1"), "2:7"],
  ["a cut character", Buffer.concat([Buffer.from("é\n😀"), Buffer.from("é").subarray(0, 1)]), "2:3"],
  ["UTF-16", Buffer.from("\ufeffselect", "utf16le"), "1:1"],
  ["a NUL", "select\n 1\u0000", "2:3"],
])("refuses %s at its place", (_, bytes, place) => {
  expect(() => read(bytes)).toThrow(
    expect.objectContaining({ code: "FILE_NOT_TEXT", where: `a.sql:${place}`, exitCode: 2 }),
  );
});

test("a link out of the project is refused, also beside files that were read; one that stays inside is followed", () => {
  const folder = mkdtempSync(join(tmpdir(), "sillon-text-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const project = join(folder, "project");
  mkdirSync(join(project, "models"), { recursive: true });
  writeFileSync(join(folder, "secret.sql"), "select 'secret'");
  writeFileSync(join(project, "models", "a.sql"), "select 1");
  symlinkSync("a.sql", join(project, "models", "inside.sql"));
  symlinkSync("../../secret.sql", join(project, "models", "outside.sql"));
  symlinkSync("..", join(project, "above"));
  const readFile = createTextReader(project);
  expect([readFile("models/a.sql"), readFile("models/a.sql")]).toEqual(["select 1", "select 1"]);
  expect(readFile("models/inside.sql")).toBe("select 1");
  const isRefused = expect.objectContaining({ code: "FILE_OUTSIDE", exitCode: 2 });
  for (const file of ["models/outside.sql", "../secret.sql", "above/secret.sql"])
    expect(() => readFile(file)).toThrow(isRefused);
  expect(() => readFile("models/none.sql")).toThrow("ENOENT");
});
