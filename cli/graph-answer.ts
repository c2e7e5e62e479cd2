import {
  formatModels,
  formatTests,
  summarizeModels,
  summarizeSeeds,
  summarizeSnapshots,
  summarizeTests,
} from "./answers.ts";
import { modelJson, testJson } from "./json.ts";
import type { Colors } from "./print.ts";
import type { GraphOutcome } from "./steps.ts";

/** A heading, its summary in the same line, and what is below them. */
export function formatSection(colors: Colors, title: string, { summary, body }: Section): string {
  return `${colors.bold(title)}: ${summary}${body === "" ? "" : `\n${body}`}`;
}

interface Section {
  summary: string;
  body: string;
}

/** Everything that was run, a section a kind; seeds and snapshots only where there are any. */
export function formatGraph({ seeds, snapshots, models, tests }: GraphOutcome, colors: Colors): string {
  const section = (title: string, summary: string, body: string) =>
    formatSection(colors, title, { summary, body });
  return [
    ...(seeds.length > 0 ? [section("Seeds", summarizeSeeds(seeds), formatModels(seeds, colors))] : []),
    ...(snapshots.length > 0
      ? [section("Snapshots", summarizeSnapshots(snapshots), formatModels(snapshots, colors))]
      : []),
    section("Models", summarizeModels(models), formatModels(models, colors)),
    section("Data tests", summarizeTests(tests).replace("tests: ", ""), formatTests(tests, colors)),
  ].join("\n\n");
}

/** One line on all of it. */
export function summarizeGraph({ seeds, snapshots, models, tests }: GraphOutcome): string {
  return [
    ...(seeds.length > 0 ? [summarizeSeeds(seeds)] : []),
    ...(snapshots.length > 0 ? [summarizeSnapshots(snapshots)] : []),
    summarizeModels(models),
    summarizeTests(tests),
  ].join("; ");
}

/** What was run, by kind, for `--json`. */
export function graphJson({ seeds, snapshots, models, tests }: GraphOutcome) {
  return {
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
