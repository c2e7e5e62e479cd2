import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Whom each folder may import, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  core: [],
  engines: ["core"],
  state: ["core"],
  artifacts: ["core"],
  ingest: ["core", "engines", "state", "artifacts"],
  runner: ["core", "engines", "state", "artifacts"],
  reco: ["core", "engines", "state", "artifacts"],
  monitor: ["core", "engines", "state", "artifacts"],
  moovitamix: ["core"],
  schedule: ["core", "state", "artifacts", "monitor"],
  web: ["core", "state", "artifacts", "monitor", "reco", "schedule"],
  cli: [
    "core",
    "engines",
    "state",
    "artifacts",
    "ingest",
    "runner",
    "reco",
    "monitor",
    "schedule",
    "web",
    "moovitamix",
  ],
};

function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(extension))
    .map((file) => `${folder}/${file.replaceAll("\\", "/")}`);
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map(([, path = ""]) =>
    join(file, "..", path).replaceAll("\\", "/"),
  );
}

test.each(Object.entries(MAY_IMPORT))("%s imports only what lies to its left", (folder, allowed) => {
  const files = filesBelow(folder, ".ts");
  expect(files.length).toBeGreaterThan(0);
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => ![folder, ...allowed].includes(target.split("/")[0] ?? ""))
      .map((target) => `${file} -> ${target}`),
  );
  expect(wrong).toEqual([]);
});

test("no file re-exports another one", () => {
  const files = Object.keys(MAY_IMPORT).flatMap((folder) => filesBelow(folder, ".ts"));
  const barrels = files.filter((file) =>
    /^export (\*|\{[^}]*\}) from/m.test(readFileSync(join(ROOT, file), "utf8")),
  );
  expect(barrels).toEqual([]);
});

test("staging reads sources and marts read models", () => {
  const uses = (folder: string, call: string) =>
    filesBelow(folder, ".sql").filter((file) =>
      new RegExp(`\\{\\{\\s*${call}\\b`).test(readFileSync(join(ROOT, file), "utf8")),
    );
  expect(uses("models/staging", "ref")).toEqual([]);
  expect(uses("models/marts", "source")).toEqual([]);
  expect(uses("models/staging", "source").length).toBeGreaterThan(0);
});

test("every model opens with the sentence that says what a row is", () => {
  const silent = filesBelow("models", ".sql").filter(
    (file) => !readFileSync(join(ROOT, file), "utf8").startsWith("-- One row per "),
  );
  expect(silent).toEqual([]);
});
