import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PASSING, WARNINGS } from "../../cli/warnings.ts";
import { ERROR_KINDS, kindOfError, kindOfWarning } from "../../monitor/metrics/error-kinds.ts";
import { ROOT } from "../e2e/cli.ts";

const SOURCE = [
  "core",
  "engines",
  "state",
  "artifacts",
  "ingest",
  "runner",
  "monitor",
  "schedule",
  "web",
  "cli",
];
const MADE =
  /(?:\w*Error|throw \w+|\binvalid)\(\s*"([A-Z]{3,}(?:_[A-Z]+)*)"|\bcode: "([A-Z]{3,}(?:_[A-Z]+)+)"/g;

function codes(): Set<string> {
  const files = SOURCE.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => readFileSync(join(ROOT, folder, file), "utf8")),
  );
  return new Set(
    files.flatMap((text) => [...text.matchAll(MADE)].map((match) => match[1] ?? match[2] ?? "")),
  );
}

test("every error code and every warning has a kind, and every kind has some", () => {
  const found = [...codes()];
  expect(found.length).toBeGreaterThan(150);
  const kinds = new Set(found.map(kindOfError));
  expect(ERROR_KINDS.filter((kind) => !kinds.has(kind))).toEqual([]);
  expect([...WARNINGS, ...PASSING].filter((event) => !ERROR_KINDS.includes(kindOfWarning(event)))).toEqual(
    [],
  );
});

test.each([
  ["API_TIMEOUT", "network"],
  ["DATABASE_UNREACHABLE", "network"],
  ["DATABASE_UNAUTHORIZED", "configuration"],
  ["API_BODY_MALFORMED", "validation"],
  ["CONTRACT_BROKEN", "validation"],
  ["MODEL_SQL", "compute"],
  ["DISK_FULL", "compute"],
  ["SEED_VALUE", "data"],
  ["REF_UNKNOWN", "configuration"],
  ["YAML_SCHEMA", "configuration"],
])("%s is about %s", (code, kind) => {
  expect(kindOfError(code)).toBe(kind);
});
