import {
  formatModels,
  formatTests,
  formatUnitTests,
  summarizeModels,
  summarizeSeeds,
  summarizeSnapshots,
  summarizeTests,
  summarizeUnitTests,
} from "./answers.ts";
import { modelJson, testJson, unitTestJson } from "./json.ts";
import type { GraphOutcome } from "./outcomes.ts";
import type { Colors } from "./print.ts";

/** A heading, its summary in the same line, and what is below them. */
export function formatSection(colors: Colors, title: string, { summary, body }: Section): string {
  return `${colors.bold(title)}: ${summary}${body === "" ? "" : `\n${body}`}`;
}

interface Section {
  summary: string;
  body: string;
}

/** Everything that was run, a section a kind; unit tests, seeds and snapshots only where there are any. */
export function formatGraph(
  { unitTests, seeds, snapshots, models, tests }: GraphOutcome,
  colors: Colors,
): string {
  const section = (title: string, summary: string, body: string) =>
    formatSection(colors, title, { summary, body });
  return [
    ...(unitTests.length > 0
      ? [
          section(
            "Unit tests",
            summarizeUnitTests(unitTests).replace("unit tests: ", ""),
            formatUnitTests(unitTests, colors),
          ),
        ]
      : []),
    ...(seeds.length > 0 ? [section("Seeds", summarizeSeeds(seeds), formatModels(seeds, colors))] : []),
    ...(snapshots.length > 0
      ? [section("Snapshots", summarizeSnapshots(snapshots), formatModels(snapshots, colors))]
      : []),
    section("Models", summarizeModels(models), formatModels(models, colors)),
    section("Data tests", summarizeTests(tests).replace("tests: ", ""), formatTests(tests, colors)),
  ].join("\n\n");
}

/** One line on all of it. */
export function summarizeGraph({ unitTests, seeds, snapshots, models, tests }: GraphOutcome): string {
  return [
    ...(unitTests.length > 0 ? [summarizeUnitTests(unitTests)] : []),
    ...(seeds.length > 0 ? [summarizeSeeds(seeds)] : []),
    ...(snapshots.length > 0 ? [summarizeSnapshots(snapshots)] : []),
    summarizeModels(models),
    summarizeTests(tests),
  ].join("; ");
}

/** What was run, by kind, for `--json`. */
export function graphJson({ unitTests, seeds, snapshots, models, tests }: GraphOutcome) {
  return {
    unit_tests: unitTests.map(unitTestJson),
    seeds: seeds.map(modelJson),
    snapshots: snapshots.map(modelJson),
    models: models.map(modelJson),
    tests: tests.map(testJson),
  };
}

/** Names of what had to be made first. */
export function builtFirst({ added }: GraphOutcome): string[] {
  return added.map(({ name }) => name).sort();
}
