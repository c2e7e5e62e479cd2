import { posix } from "node:path";
import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { nearestNames } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";
import type { Literal } from "../templates/template.ts";
import {
  hooks,
  modelConfigInput,
  seedConfigInput,
  snapshotConfigInput,
  TEST_CONFIG_KEYS,
} from "./properties.ts";

export const DBT_PROJECT_FILE = "dbt_project.yml";

const insideFolder = z
  .string()
  .transform((folder) => posix.join(folder, "."))
  .refine((folder) => !/^(\/|\.\.(\/|$)|[A-Za-z]:)/.test(folder), "expected a folder inside the project");
const insideFolders = z.array(insideFolder);
const tree = z.record(z.string(), z.json()).nullable().default({});

const dbtProjectSchema = z.looseObject({
  name: z.string().regex(/^[A-Za-z_]\w*$/, "expected letters, digits and underscores"),
  profile: z.string().optional(),
  "model-paths": insideFolders.optional(),
  "source-paths": insideFolders.optional(),
  "seed-paths": insideFolders.optional(),
  "data-paths": insideFolders.optional(),
  "test-paths": insideFolders.default(["tests"]),
  "macro-paths": insideFolders.default(["macros"]),
  "snapshot-paths": insideFolders.default(["snapshots"]),
  "target-path": insideFolder.refine((folder) => folder !== ".", "expected a folder of its own").optional(),
  "clean-targets": insideFolders.default([]),
  "on-run-start": hooks.nullable().default([]),
  "on-run-end": hooks.nullable().default([]),
  vars: tree,
  models: tree,
  seeds: tree,
  snapshots: tree,
  tests: tree,
  data_tests: tree,
});

/** Keys of dbt that are read, or that change nothing here. */
const QUIET_KEYS = [
  ...["version", "config-version", "require-dbt-version", "query-comment", "flags", "dbt-cloud"],
  ...["analysis-paths", "docs-paths", "asset-paths", "function-paths", "log-path"],
  ...["packages-install-path", "modules-path", "dispatch", "quoting", "restrict-access"],
  ...["sources", "exposures", "metrics", "semantic-models", "saved-queries", "unit_tests", "functions"],
];

/** A dbt project's own file as settings of ours. Throws ProjectErrors (exit 2). */
export function loadDbtProject(ctx: Context, overrides: { vars?: Record<string, Literal> }) {
  const file = parseYaml(DBT_PROJECT_FILE, readTextFile(ctx.projectDir, DBT_PROJECT_FILE));
  const settings = validateYaml(file, dbtProjectSchema);
  warnOfKeys(ctx, file, settings);
  const known = {
    models: knownConfigs(settings.models ?? {}, Object.keys(modelConfigInput.shape)),
    seeds: knownConfigs(settings.seeds ?? {}, Object.keys(seedConfigInput.shape)),
    snapshots: knownConfigs(settings.snapshots ?? {}, Object.keys(snapshotConfigInput.shape)),
    tests: knownConfigs(settings.tests ?? {}, TEST_CONFIG_KEYS),
    data_tests: knownConfigs(settings.data_tests ?? {}, TEST_CONFIG_KEYS),
  };
  warnOfConfigs(ctx, file, known);
  return {
    name: settings.name,
    profileName: settings.profile ?? settings.name,
    modelPaths: settings["model-paths"] ?? settings["source-paths"] ?? ["models"],
    seedPaths: settings["seed-paths"] ?? settings["data-paths"] ?? ["seeds"],
    testPaths: settings["test-paths"],
    cleanTargets: settings["clean-targets"],
    macroPaths: settings["macro-paths"],
    vars: { ...varsOf(settings.vars ?? {}, settings.name), ...overrides.vars },
    schemaNames: "dbt" as const,
    publish: { select: "*", keep: 5 },
    modelConfigs: known.models.tree,
    seedConfigs: known.seeds.tree,
    snapshotConfigs: known.snapshots.tree,
    testConfigs: { tests: known.tests.tree, data_tests: known.data_tests.tree },
    runHooks: { start: settings["on-run-start"] ?? [], end: settings["on-run-end"] ?? [] },
    dbt: { snapshotPaths: settings["snapshot-paths"] },
    ...(settings["target-path"] === undefined ? {} : { targetPath: settings["target-path"] }),
    file,
  };
}

/** Variables for every package, and over them those for this project. */
function varsOf(vars: Record<string, Literal>, projectName: string): Record<string, Literal> {
  const own = vars[projectName];
  const isScoped = typeof own === "object" && own !== null && !Array.isArray(own);
  return isScoped ? { ...vars, ...own } : { ...vars };
}

function warnOfKeys(ctx: Context, file: YamlFile, settings: Record<string, unknown>): void {
  const known = new Set([...Object.keys(dbtProjectSchema.shape), ...QUIET_KEYS]);
  const isEmpty = (value: unknown) =>
    value === null || (typeof value === "object" && Object.keys(value ?? {}).length === 0);
  const others = Object.keys(settings).filter((key) => !known.has(key) && !isEmpty(settings[key]));
  if (others.length === 0) return;
  const lines = others.map((key) => `\n  ${file.locateKey([], key)}  "${key}": unknown`);
  ctx.log.warn("project_keys_ignored", `these keys do nothing:${lines.join("")}`);
}

interface KnownConfigs {
  tree: Record<string, Literal>;
  /** Where those stand that only other engines know, and the nearest known names. */
  ignored: { path: string[]; nearest: string[] }[];
}

/** The tree without the configs that only other engines know; dbt keeps any key that it is given. */
function knownConfigs(level: Record<string, Literal>, known: readonly string[]): KnownConfigs {
  const ignored: KnownConfigs["ignored"] = [];
  const kept = Object.entries(level).flatMap(([key, value]): [string, Literal][] => {
    const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
    if (isMap && !key.startsWith("+") && key !== "column_types") {
      const below = knownConfigs(value, known);
      ignored.push(...below.ignored.map(({ path, nearest }) => ({ path: [key, ...path], nearest })));
      return [[key, below.tree]];
    }
    const name = key.replace(/^\+/, "");
    if (known.includes(name)) return [[key, value]];
    ignored.push({ path: [key], nearest: nearestNames(name, known) });
    return [];
  });
  return { tree: Object.fromEntries(kept), ignored };
}

function warnOfConfigs(ctx: Context, file: YamlFile, known: Record<string, KnownConfigs>): void {
  const lines = Object.entries(known).flatMap(([section, { ignored }]) =>
    ignored.map(({ path, nearest }) => {
      const place = file.locateKey([section, ...path.slice(0, -1)], path.at(-1) ?? "");
      const meant = nearest.length === 0 ? "" : `; nearest names: ${nearest.join(", ")}`;
      return `\n  ${place}  "${path.at(-1)}": unknown${meant}`;
    }),
  );
  if (lines.length > 0) ctx.log.warn("config_ignored", `these configs do nothing here:${lines.join("")}`);
}
