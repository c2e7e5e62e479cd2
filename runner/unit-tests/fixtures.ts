import { existsSync } from "node:fs";
import { join } from "node:path";
import { CsvError, parse } from "csv-parse/sync";
import type { Context } from "../../core/context.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { YamlFile } from "../../core/yaml.ts";
import { listFiles } from "../project/files.ts";
import type { Project } from "../project/project.ts";
import type { FixtureInput } from "../project/unit-test-properties.ts";
import { textPlaces } from "../templates/source-map.ts";
import { declarationError } from "./errors.ts";
import type { Fixture, RowsFixture } from "./fixture.ts";

const FIXTURE_FOLDER = "tests/fixtures";

/** Where files with rows lie: `tests/fixtures`, and `fixtures` in every folder of tests. */
function fixtureFolders(project: Project): string[] {
  return [...new Set([FIXTURE_FOLDER, ...project.testPaths.map((folder) => `${folder}/fixtures`)])];
}

/** Whether an SQL file below the folders of tests holds rows and is no test. */
export function isFixtureFile(project: Project, file: string): boolean {
  return fixtureFolders(project).some((folder) => file.startsWith(`${folder}/`));
}

interface Place {
  file: YamlFile;
  path: PropertyKey[];
}

/** Reads the rows of an input or of an expectation. Throws FIXTURE_* (exit 2). */
export function readFixture(ctx: Context, project: Project, input: FixtureInput, at: Place): Fixture {
  const { format, rows, fixture } = input;
  const where = at.file.locate([...at.path, "rows"]);
  if (fixture) {
    const whereNamed = at.file.locate([...at.path, "fixture"]);
    if (rows !== undefined && rows !== null) throw twoSources(whereNamed);
    if (format === "dict") throw noFormat(whereNamed);
    return fileFixture(ctx, project, { name: fixture, format, where: whereNamed });
  }
  if (format === "dict") {
    if (typeof rows === "string") throw wrongForm(where, "a text", "dict", "a list of rows");
    return dictFixture(rows ?? [], { ...at, path: [...at.path, "rows"] });
  }
  if (Array.isArray(rows)) throw wrongForm(where, "a list", format, `${format.toUpperCase()} as a text`);
  if (format === "sql") return { kind: "sql", sql: rows ?? "", where, placeOf: () => where };
  return csvFixture(rows ?? "", { where, placeOf: () => where });
}

function dictFixture(rows: readonly Record<string, unknown>[], { file, path }: Place): RowsFixture {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return {
    kind: "rows",
    columns,
    rows: rows.map((row) => columns.map((column) => row[column] ?? null)),
    isText: false,
    where: file.locate(path),
    placeOf: (row, column) => file.locate([...path, row, column]),
  };
}

function csvFixture(text: string, at: { where: string; placeOf: (line: number) => string }): RowsFixture {
  try {
    // The entries with their lines are what `info` makes of records.
    const entries = parse(text, { info: true, skip_empty_lines: true, trim: true }) as unknown as {
      record: string[];
      info: { lines: number };
    }[];
    const [head, ...records] = entries;
    return {
      kind: "rows",
      columns: head?.record ?? [],
      rows: records.map(({ record }) => record.map((value) => (value === "" ? null : value))),
      isText: true,
      where: at.where,
      placeOf: (row) => at.placeOf(records[row]?.info.lines ?? 1),
    };
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw declarationError("FIXTURE_CSV", at.placeOf(Number(error.lines ?? 1)), {
      message: `the rows are no CSV: ${error.message}`,
      hint: "give every line as many values as the header has, and put values with commas in double quotes",
    });
  }
}

function fileFixture(
  ctx: Context,
  project: Project,
  { name, format, where }: { name: string; format: "csv" | "sql"; where: string },
): Fixture {
  const folders = fixtureFolders(project).filter((folder) => existsSync(join(ctx.projectDir, folder)));
  const files = listFiles(ctx.projectDir, folders, [`.${format}`]);
  const nameOf = (file: string) => (file.split("/").at(-1) ?? "").slice(0, -format.length - 1);
  const file = files.find((one) => nameOf(one) === name.replace(new RegExp(`\\.${format}$`), ""));
  if (file === undefined) {
    throw declarationError("FIXTURE_UNKNOWN", where, {
      message: `there is no fixture "${name}"`,
      why: nearestLine(name, files.map(nameOf)),
      hint: `correct the name, or add ${fixtureFolders(project).at(-1)}/${name}.${format}`,
    });
  }
  const text = readTextFile(ctx.projectDir, file);
  if (format === "csv")
    return csvFixture(text, { where: `${file}:1:1`, placeOf: (line) => `${file}:${line}:1` });
  const places = textPlaces(text);
  return {
    kind: "sql",
    sql: text,
    where: `${file}:1:1`,
    placeOf: (offset) => `${file}:${places.placeOf(offset)}`,
  };
}

function wrongForm(where: string, found: string, format: string, expected: string) {
  return declarationError("FIXTURE_FORMAT", where, {
    message: `the rows are ${found}, and format is ${format}`,
    hint: `write ${expected}, or another format:`,
  });
}

function noFormat(where: string) {
  return declarationError("FIXTURE_FORMAT", where, {
    message: "a fixture is a file of CSV or SQL, and format is dict",
    hint: "add format: csv, or format: sql",
  });
}

function twoSources(where: string) {
  return declarationError("FIXTURE_FORMAT", where, {
    message: "the rows stand here and in a fixture",
    hint: "keep one of the two",
  });
}
