import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT, run, temporaryFolder } from "./cli.ts";

/**
 * How our artifacts differ from those that dbt-core 1.12.6 with dbt-duckdb 1.11.1 writes of the same project
 * (tests/fixtures/dbt-1.12, without dbt's own macros), and why. In a path `*` is an id or a name.
 */
const REASONS: readonly (readonly [path: string, reason: string])[] = [
  ["manifest.metadata.*", "versions, ids and times are of the run"],
  ["manifest.*.*.created_at", "the time of the run"],
  ["manifest.disabled.*.created_at", "the time of the run"],
  ["manifest.nodes.*.compiled_code", "our SQL; relations of the warehouse are named without their database"],
  ["manifest.nodes.*.root_path", "no path of this machine is written: artifacts are the same everywhere"],
  ["manifest.nodes.*.extra_ctes", "ephemeral models are in compiled_code already"],
  ["manifest.nodes.*.contract.checksum", "dbt hashes Python's spelling of constraints"],
  ["manifest.nodes.test.*.config.severity", "always in capitals, as dbt's default is"],
  ["manifest.nodes.test.*.description", "the comment that a test's file opens with is its description"],
  ["manifest.nodes.test.*.depends_on.macros", "dbt's own macros are not here; a project's own tests are"],
  ["manifest.disabled.test.*.depends_on.macros", "dbt's own macros are not here"],
  [
    "manifest.disabled.test.*.depends_on.nodes",
    "what a test looks at is known, also when it is switched off",
  ],
  ["manifest.disabled.exposure.*.refs", "what is switched off is not resolved"],
  ["manifest.nodes.test.* of a disabled model", "a test of what is switched off is no node"],
  ["manifest.nodes.snapshot.*.checksum.checksum", "dbt hashes the text of a block that the YAML stands for"],
  ["manifest.nodes.snapshot.*.compiled", "the query of a snapshot is the engine's work, not a file"],
  ["manifest.nodes.snapshot.*.compiled_path", "the same"],
  ["manifest.nodes.snapshot.*.extra_ctes_injected", "the same"],
  ["manifest.nodes.operation.*.checksum.checksum", "of the statement; dbt's is of the whole dbt_project.yml"],
  [
    "manifest.nodes.operation.*.config.persist_docs",
    "dbt gives statements the config of the project's models",
  ],
  ["manifest.nodes.operation.*.compiled", "statements around a run are rendered when it begins"],
  ["manifest.nodes.operation.*.compiled_path", "the same"],
  ["manifest.nodes.operation.*.extra_ctes_injected", "the same"],
  ["manifest.unrendered_config", "state: compares rendered values"],
  ["manifest.sources.*.unrendered_schema", "the same"],
  ["manifest.disabled.source.*.unrendered_schema", "the same"],
  ["manifest.sources.*.freshness", "freshness: null and none at all are the same here"],
  ["manifest.sources.*.config.freshness", "the same"],
  ["manifest.groups.*.config", "dbt gives groups the config of the folder's models"],
  ["manifest.macros", "dbt's own macros are not here"],
  ["catalog.*.*.stats", "dbt-duckdb has no number of rows"],
  [
    "catalog.*.columns.type",
    "whole numbers of seeds are bigint, as in a source; dbt narrows them to integer",
  ],
  ["catalog.*.columns.comment", "an empty comment is none"],
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Difference = { path: string[]; dbt: Json | undefined; ours: Json | undefined };

function isMap(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every place in which two documents differ; the order of keys does not count. */
function differences(dbt: Json | undefined, ours: Json | undefined, path: string[] = []): Difference[] {
  if (isMap(dbt) && isMap(ours))
    return [...new Set([...Object.keys(dbt), ...Object.keys(ours)])].flatMap((key) =>
      differences(dbt[key], ours[key], [...path, key]),
    );
  if (Array.isArray(dbt) && Array.isArray(ours) && dbt.length === ours.length && dbt.length > 0)
    return dbt.flatMap((item, index) => differences(item, ours[index], [...path, String(index)]));
  return JSON.stringify(dbt) === JSON.stringify(ours) ? [] : [{ path, dbt, ours }];
}

const WORKS_OF_MANIFEST = ["nodes", "disabled"];

/** The path as REASONS writes it. */
function patternOf({ path, ours }: Difference): string {
  const [document = "", part = "", id = "", ...keys] = path;
  const kind = id.split(".")[0] ?? "";
  if (document === "manifest" && part === "metadata") return "manifest.metadata.*";
  if (document === "manifest" && part === "macros") return "manifest.macros";
  if (path.includes("unrendered_config")) return "manifest.unrendered_config";
  const inside = keys.filter((key) => !/^\d+$/.test(key));
  if (document === "catalog") {
    if (inside[0] === "columns") return `catalog.*.columns.${inside.at(-1)}`;
    return `catalog.*.*.${inside[0]}`;
  }
  if (inside.length === 0 && ours === undefined && kind === "test")
    return "manifest.nodes.test.* of a disabled model";
  if (part === "groups") return `manifest.groups.*.${inside[0]}`;
  if (inside[0] === "created_at")
    return part === "disabled" ? "manifest.disabled.*.created_at" : "manifest.*.*.created_at";
  if (inside[0] === "config" && inside[1] === "persist_docs") inside.length = 2;
  if (inside[0] === "freshness" || inside[1] === "freshness") inside.length = inside.indexOf("freshness") + 1;
  const general = ["compiled_code", "root_path", "extra_ctes", "contract"].includes(inside[0] ?? "");
  const works = WORKS_OF_MANIFEST.includes(part) && !general;
  return ["manifest", part, ...(works ? [kind] : []), "*", ...inside].join(".");
}

/** Builds a project of the fixtures; what it left in target/, in the form of the reference. */
async function artifactsOf(name: string): Promise<Json> {
  const cwd = temporaryFolder();
  cpSync(join(ROOT, "tests/fixtures", name), cwd, { recursive: true });
  for (const command of [["seed"], ["snapshot", "--allow-empty-selection"], ["models"], ["docs", "generate"]])
    expect(await run(command, { cwd })).toMatchObject({ exitCode: 0 });
  const read = (file: string) => JSON.parse(readFileSync(join(cwd, "target", file), "utf8"));
  const { nodes, sources } = read("catalog.json");
  return { manifest: read("manifest.json"), catalog: { nodes, sources } };
}

test("manifest.json and catalog.json differ from dbt's only where there is a reason", async () => {
  const known = new Map(REASONS);
  const met = new Set<string>();
  for (const name of ["jaffle-shop", "wares"]) {
    const reference = JSON.parse(readFileSync(join(ROOT, `tests/fixtures/dbt-1.12/${name}.json`), "utf8"));
    const found = differences(reference, await artifactsOf(name));
    expect(found.length).toBeGreaterThan(0);
    for (const difference of found) met.add(patternOf(difference));
    const unexplained = found.filter((difference) => !known.has(patternOf(difference)));
    expect(unexplained.map((one) => [patternOf(one), one.dbt, one.ours])).toEqual([]);
  }
  expect([...known.keys()].filter((path) => !met.has(path))).toEqual([]);
});
