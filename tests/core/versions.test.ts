import { describe, expect, test } from "vitest";
import { describeError, EXIT, ProjectError } from "../../core/errors.ts";
import { endOfNode, isAtLeast, requireVersion } from "../../core/versions.ts";

test.each([
  ["v1.5.5", "1.5.0", true],
  ["1.5.0", "1.5.0", true],
  ["1.5", "1.5.0", true],
  ["1.10.0", "1.5.0", true],
  ["2.0.0-alpha.1", "1.5.0", true],
  ["20.19.0", "20.19", true],
  ["v1.4.4", "1.5.0", false],
  ["1.4.99-r.3", "1.5.0", false],
  ["1", "1.5.0", false],
  ["", "1.5.0", false],
])("version %s is at least %s: %s", (version, minimum, expected) => {
  expect(isAtLeast(version, minimum)).toBe(expected);
});

describe("a required version", () => {
  const handlebars = {
    name: "Handlebars",
    packageName: "handlebars",
    minimum: "4.7.9",
    why: "older ones let templates run code",
  };
  const thrownFor = (version: string) => {
    try {
      requireVersion(version, handlebars);
    } catch (error) {
      return error instanceof ProjectError ? error : undefined;
    }
    return undefined;
  };

  test("is refused when it is older, with why and what to do", () => {
    const error = thrownFor("4.7.8");
    expect(error).toMatchObject({ code: "VERSION_TOO_OLD", exitCode: EXIT.environment });
    expect(error && describeError(error).split("\n")).toEqual([
      "handlebars  Handlebars 4.7.8 is too old: sillon needs 4.7.9 or newer",
      "  older ones let templates run code",
      "  to fix: install sillon's own packages again: npm ci in a checkout, npm install sillon elsewhere",
    ]);
  });

  test("may be the minimum or newer", () => {
    expect(["4.7.9", "4.7.10", "5.0.0"].map(thrownFor)).toEqual([undefined, undefined, undefined]);
  });
});

test.each([
  ["20.20.2", "2026-04-30T23:00:00Z", undefined],
  ["20.20.2", "2026-05-01T00:00:00Z", "2026-04-30"],
  ["v22.1.0", "2026-05-01T00:00:00Z", undefined],
  ["23.0.0", "2026-05-01T00:00:00Z", "2025-06-01"],
  ["99.0.0", "2099-01-01T00:00:00Z", undefined],
])("the maintenance of Node %s at %s has ended: %s", (version, now, end) => {
  expect(endOfNode(version, new Date(now))).toBe(end);
});
