import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { z } from "zod";
import { PROJECT_FILE } from "../../core/config.ts";
import type { Context } from "../../core/context.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";
import type { HookText } from "../graph/nodes.ts";
import type { Literal } from "../templates/template.ts";
import { loadDbtProject } from "./dbt-project.ts";
import { hooks } from "./properties.ts";

/** Folders of the project as file names begin with them: `./models/` is `models`. */
const folders = z.array(
  z
    .string()
    .transform((folder) => posix.join(folder, "."))
    .refine((folder) => !/^(\/|\.\.(\/|$)|[A-Za-z]:)/.test(folder), "expected a folder inside the project"),
);

const projectSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z_]\w*$/, "expected letters, digits and underscores"),
  version: z.union([z.string(), z.number()]).optional(),
  /** The profile in profiles.yml; the project's name when absent. */
  profile: z.string().optional(),
  "model-paths": folders.default(["models"]),
  "seed-paths": folders.default(["seeds"]),
  "test-paths": folders.default(["tests/data"]),
  /** What `run clean` removes besides target/. */
  "clean-targets": folders.default([]),
  "macro-paths": folders.default(["macros"]),
  vars: z.record(z.string(), z.json()).default({}),
  /** `exact`: a model's schema is what it says; `dbt`: the target's schema comes before it. */
  schema_names: z.enum(["dbt", "exact"]).default("dbt"),
  /** Which models readers get to see. */
  publish: z.strictObject({ select: z.string(), keep: z.int().min(1).default(5) }).optional(),
  /** Settings of the connector; its own schema checks them. */
  ingest: z.record(z.string(), z.json()).default({}),
  /** The scheduler's own schema checks these. */
  jobs: z.record(z.string(), z.json()).optional(),
  schedule: z.record(z.string(), z.json()).optional(),
  /** The monitor's own schemas check these. */
  monitor: z.record(z.string(), z.json()).optional(),
  openlineage: z.record(z.string(), z.json()).optional(),
  /** Settings of recommendations; their own schema checks them. */
  reco: z.record(z.string(), z.json()).default({}),
  models: z.record(z.string(), z.json()).default({}),
  seeds: z.record(z.string(), z.json()).default({}),
  snapshots: z.record(z.string(), z.json()).default({}),
  /** The two names of one thing. */
  tests: z.record(z.string(), z.json()).default({}),
  data_tests: z.record(z.string(), z.json()).default({}),
  "on-run-start": hooks.default([]),
  "on-run-end": hooks.default([]),
});

export interface Project {
  name: string;
  profileName: string;
  modelPaths: string[];
  seedPaths: string[];
  testPaths: string[];
  cleanTargets: string[];
  macroPaths: string[];
  vars: Record<string, Literal>;
  schemaNames: "dbt" | "exact";
  publish: { select: string; keep: number };
  /** The `models:` tree: folders, and keys that begin with `+`. */
  modelConfigs: Record<string, unknown>;
  /** Statements around every command that builds or tests. */
  runHooks: { start: HookText[]; end: HookText[] };
  /** The same of `seeds:`. */
  seedConfigs: Record<string, unknown>;
  /** And of `snapshots:`. */
  snapshotConfigs: Record<string, unknown>;
  /** And of data tests, under either of their names. */
  testConfigs: { tests: Record<string, unknown>; data_tests: Record<string, unknown> };
  /** Set by a dbt_project.yml. */
  dbt?: { snapshotPaths: string[] };
  /** Of the artifacts, relative to the project; `target` when absent. */
  targetPath?: string;
  file: YamlFile;
}

/** Reads project.yml, or dbt_project.yml where there is none. Throws ProjectErrors (exit 2). */
export function loadProject(ctx: Context, overrides: { vars?: Record<string, Literal> } = {}): Project {
  if (!existsSync(join(ctx.projectDir, PROJECT_FILE))) return loadDbtProject(ctx, overrides);
  const file = parseYaml(PROJECT_FILE, readTextFile(ctx.projectDir, PROJECT_FILE));
  const settings = validateYaml(file, projectSchema);
  return {
    name: settings.name,
    profileName: settings.profile ?? settings.name,
    modelPaths: settings["model-paths"],
    seedPaths: settings["seed-paths"],
    testPaths: settings["test-paths"],
    cleanTargets: settings["clean-targets"],
    macroPaths: settings["macro-paths"],
    vars: { ...settings.vars, ...overrides.vars },
    schemaNames: settings.schema_names,
    publish: settings.publish ?? { select: "marts", keep: 5 },
    modelConfigs: settings.models,
    runHooks: { start: settings["on-run-start"], end: settings["on-run-end"] },
    seedConfigs: settings.seeds,
    snapshotConfigs: settings.snapshots,
    testConfigs: { tests: settings.tests, data_tests: settings.data_tests },
    file,
  };
}
