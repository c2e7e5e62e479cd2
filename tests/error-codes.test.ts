import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { PASSING, WARNINGS } from "../cli/warnings.ts";
import { CODES_WITH_KIND, WARNINGS_WITH_KIND } from "../monitor/metrics/error-kinds.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SOURCE = [
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
  "cli",
  "moovitamix",
];

function textOf(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(ts|md)$/.test(file) && !file.endsWith("error-codes.test.ts"))
    .map((file) => readFileSync(join(ROOT, folder, file), "utf8"));
}

/** What makes an error of a code: `new ProjectError("CODE", …`, a function of its file such as `usageError("CODE", …`, or `code: "CODE"`. */
const MADE =
  /(?:\w*Error|throw \w+|\binvalid)\(\s*"([A-Z]{3,}(?:_[A-Z]+)*)"|\bcode: "([A-Z]{3,}(?:_[A-Z]+)+)"/g;

/** The codes of the source, each with what stands behind it: its message is there. */
function codesOfSource(): Map<string, string> {
  const codes = new Map<string, string>();
  for (const text of SOURCE.flatMap(textOf)) {
    for (const match of text.matchAll(MADE)) {
      const code = match[1] ?? match[2] ?? "";
      codes.set(code, (codes.get(code) ?? "") + text.slice(match.index, match.index + 500));
    }
  }
  return codes;
}

const SHORTEST_PART = 9;

/** The parts of texts that are the same in every message. */
function fixedParts(source: string): string[] {
  const texts = [...source.matchAll(/"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`|'([^'\n]*)'/g)].map(
    ([, double, back, single]) => double ?? back ?? single ?? "",
  );
  return texts
    .flatMap((text) => text.replace(/\\(.)/g, "$1").split(/\$\{[^}]*\}/))
    .map((part) => part.trim())
    .filter((part) => part.length >= SHORTEST_PART && part.includes(" "));
}

const CODES = codesOfSource();
const TESTS = textOf("tests").join("\n");

test("every error code has a test that names it or quotes its message", () => {
  expect(CODES.size).toBeGreaterThan(100);
  const untested = [...CODES].filter(
    ([code, source]) =>
      !new RegExp(`\\b${code}\\b`).test(TESTS) && !fixedParts(source).some((part) => TESTS.includes(part)),
  );
  expect(untested.map(([code]) => code)).toEqual([]);
});

test("every error that the source makes says what to do", () => {
  const silent = SOURCE.flatMap(textOf).flatMap((text) =>
    [...text.matchAll(/new ProjectError\([^)]*?\{/g)].flatMap(({ index }) => {
      const made = text.slice(index, text.indexOf("\n}", index) + 1);
      return /\bhint\b|\.\.\.(details|what)|\.\.\.\w+/.test(made) ? [] : [made.split("\n")[0] ?? ""];
    }),
  );
  expect(silent).toEqual([]);
});

test("monitor/metrics/error-kinds.ts lists every error code and every warning, and no other", () => {
  const source = SOURCE.flatMap(textOf);
  const made = (codes: Iterable<string>) => [...codes].filter((code) => !CODES_WITH_KIND.has(code));
  expect(made(CODES.keys())).toEqual([]);
  const texts = source.filter((text) => !text.includes("export const CODES_WITH_KIND")).join("\n");
  expect([...CODES_WITH_KIND].filter((code) => !texts.includes(`"${code}"`))).toEqual([]);
  const said = [...texts.matchAll(/\blog\.warn\(\s*"([a-z_]+)"/g)].map(([, event = ""]) => event);
  const warned = new Set([...said, ...WARNINGS, ...PASSING]);
  expect([...warned].filter((event) => !WARNINGS_WITH_KIND.has(event))).toEqual([]);
  expect([...WARNINGS_WITH_KIND].filter((event) => !warned.has(event))).toEqual([]);
});
