import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createWarnings, PASSING, WARNINGS } from "../../cli/warnings.ts";
import { type ProjectError, projectErrorsOf } from "../../core/errors.ts";
import type { LogEntry } from "../../core/log.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function sourceFiles(): string[] {
  return ["core", "engines", "state", "artifacts", "ingest", "runner", "monitor", "cli"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(ROOT, folder, file)),
  );
}

function told(options: Parameters<typeof createWarnings>[0], events: readonly string[]): string[] {
  const entries: LogEntry[] = [];
  const sink = createWarnings(options).through((entry) => entries.push(entry));
  for (const event of events) sink({ level: "warn", event, message: "", fields: {} });
  return entries.map(({ level, event }) => `${level} ${event}`);
}

function mistakeOf(work: () => unknown): ProjectError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return projectErrorsOf(error)[0];
  }
}

/** Those that no text of the program names as they are. */
const COMPOSED = ["model_skipped", "seed_skipped", "snapshot_skipped", "test_warned"];

test("every warning that the program tells can be named", () => {
  const texts = sourceFiles().map((file) => readFileSync(file, "utf8"));
  const events = texts.flatMap((text) =>
    [...text.matchAll(/log\.warn\(\s*"(\w+)"/g)].map(([, event = ""]) => event),
  );
  expect([...new Set([...events, ...COMPOSED])].sort()).toEqual([...WARNINGS, ...PASSING].sort());
});

test("warnings are told as they are, are errors, or are left out", () => {
  const events = ["config_unused", "not_supported", "selection_empty", "lock_awaited"];
  expect(told({}, events)).toEqual(events.map((event) => `warn ${event}`));
  expect(told({ warnError: true }, events)).toEqual([
    "error config_unused",
    "error not_supported",
    "error selection_empty",
    "warn lock_awaited",
  ]);
  const warnErrorOptions = "{error: '*', warn: [not_supported], silence: [selection_empty]}";
  expect(told({ warnErrorOptions }, events)).toEqual([
    "error config_unused",
    "warn not_supported",
    "warn lock_awaited",
  ]);
  expect(told({ warnErrorOptions: "error: [not_supported]" }, events)[1]).toBe("error not_supported");
});

test.each([
  ["{error: [config_unsed]}", 'unknown warning "config_unsed"', "nearest names: config_unused"],
  ["{errors: all}", 'Unrecognized key: "errors"', "warnings: batches_failed"],
  ["{error: [", "Flow sequence", "warnings: batches_failed"],
])("--warn-error-options %s is a wrong call", (warnErrorOptions, problem, help) => {
  const mistake = mistakeOf(() => createWarnings({ warnErrorOptions }));
  expect(mistake).toMatchObject({ code: "WARN_ERROR_OPTIONS", exitCode: 2, where: "--warn-error-options" });
  expect(mistake?.why.join("\n")).toContain(problem);
  expect(mistake?.why.join("\n")).toContain(help);
  expect(mistake?.hint).toContain("--warn-error-options '{error: all");
});

test("warnings that are errors stop what has not begun", () => {
  const warnings = createWarnings({ warnError: true });
  expect(mistakeOf(() => warnings.throwIfAny())).toBeUndefined();
  const sink = warnings.through(() => {});
  for (const event of ["config_unused", "config_unused"])
    sink({ level: "warn", event, message: "", fields: {} });
  expect(mistakeOf(() => warnings.throwIfAny())).toMatchObject({
    code: "WARNINGS",
    exitCode: 1,
    message: "nothing was run: warnings are errors here (config_unused)",
    hint: expect.stringContaining("correct what they name"),
  });
});
