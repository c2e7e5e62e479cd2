import { createHash } from "node:crypto";
import { basename, dirname } from "node:path";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { YamlFile } from "../../core/yaml.ts";
import type { Mistakes } from "../project/collect.ts";
import { docBlocksOf } from "../project/docs-blocks.ts";
import { listFiles } from "../project/files.ts";
import {
  type ConfigTree,
  configTree,
  folderConfigs,
  schemaName,
  unusedFolders,
} from "../project/model-config.ts";
import type { Project } from "../project/project.ts";
import { type SeedConfigInput, type SeedProperties, seedConfigInput } from "../project/properties.ts";
import { type PropertiesFile, toColumn } from "./model-nodes.ts";
import type { SeedConfig, SeedNode } from "./nodes.ts";
import { checkHeader } from "./seed-header.ts";

interface Described {
  file: YamlFile;
  index: number;
  properties: SeedProperties;
}

/** The CSV files of the project; those that are switched off apart. */
export function loadSeeds(
  ctx: Context,
  project: Project,
  given: { descriptions: readonly PropertiesFile[]; targetSchema: string; mistakes: Mistakes },
): { seeds: SeedNode[]; disabled: SeedNode[] } {
  const { mistakes, targetSchema } = given;
  const described = indexDescriptions(given.descriptions, mistakes);
  const tree = { key: "seeds", levels: project.seedConfigs, schema: seedConfigInput };
  const configs = configTree(project, tree, mistakes);
  const all = listFiles(ctx.projectDir, project.seedPaths, [".csv"]).flatMap((file) => {
    const name = basename(file, ".csv");
    const at = { file, name, described: described.get(name), configs, targetSchema };
    return mistakes.attempt(() => loadSeed(ctx, project, at)) ?? [];
  });
  const names = new Set(all.map((seed) => seed.name));
  for (const [name, { file, index }] of described) {
    if (!names.has(name)) mistakes.add(describesNothing(name, file.locate(["seeds", index, "name"]), names));
  }
  const fqns = all.map((seed) => seed.fqn);
  for (const { where, name, known } of unusedFolders(configs, fqns)) {
    const why = nearestLine(name, known).map((line) => `; ${line}`);
    ctx.log.warn("config_unused", `${where}  no seed lies below "${name}"${why.join("")}`);
  }
  return {
    seeds: all.filter((seed) => seed.config.enabled),
    disabled: all.filter((seed) => !seed.config.enabled),
  };
}

function loadSeed(
  ctx: Context,
  project: Project,
  given: {
    file: string;
    name: string;
    described: Described | undefined;
    configs: ConfigTree<SeedConfigInput>;
    targetSchema: string;
  },
): SeedNode {
  const { file, name, described } = given;
  const text = readTextFile(ctx.projectDir, file);
  if (text.trim() === "") throw emptySeed(file);
  const root = project.seedPaths.find((folder) => file.startsWith(`${folder}/`)) ?? "";
  const folders = dirname(file.slice(root.length + 1))
    .split("/")
    .filter((step) => step !== ".");
  const fqn = [project.name, ...folders, name];
  const properties = described?.properties;
  const config = mergeSeedConfig([
    ...folderConfigs(given.configs, fqn),
    ...(properties
      ? [{ docs: properties.docs, tags: properties.tags, meta: properties.meta }, properties.config]
      : []),
  ]);
  if (config.enabled) checkHeader(file, text, config.delimiter);
  return {
    kind: "seed",
    id: `seed.${project.name}.${name}`,
    name,
    fqn,
    file,
    description: properties?.description.trim() ?? "",
    ...docBlocksOf(properties ?? {}),
    tags: config.tags,
    dependsOn: [],
    config,
    relation: { schema: schemaName(project, config, given.targetSchema), name: config.alias ?? name },
    columns: (properties?.columns ?? []).map(toColumn),
    patchFile: described?.file.path ?? null,
    checksum: createHash("sha256").update(text.trim()).digest("hex"),
  };
}

/** The nearest wins, tags add up, meta and column types merge. Later inputs are nearer. */
function mergeSeedConfig(inputs: readonly SeedConfigInput[]): SeedConfig {
  const merged: SeedConfig = {
    materialized: "seed",
    schema: null,
    alias: null,
    enabled: true,
    tags: [],
    meta: {},
    column_types: {},
    delimiter: ",",
    quote_columns: null,
  };
  for (const input of inputs) {
    const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
    Object.assign(merged, given, {
      tags: [...new Set([...merged.tags, ...(input.tags ?? [])])],
      meta: { ...merged.meta, ...input.meta },
      column_types: { ...merged.column_types, ...input.column_types },
    });
  }
  return merged;
}

function indexDescriptions(files: readonly PropertiesFile[], mistakes: Mistakes): Map<string, Described> {
  const described = new Map<string, Described>();
  for (const { file, properties } of files) {
    for (const [index, seed] of properties.seeds.entries()) {
      if (seed.name === "") continue; // Its mistake is known already.
      const former = described.get(seed.name);
      if (former === undefined) described.set(seed.name, { file, index, properties: seed });
      else mistakes.add(describedTwice(seed.name, file.locate(["seeds", index, "name"]), former));
    }
  }
  return described;
}

function emptySeed(file: string): ProjectError {
  return seedError(
    "SEED_EMPTY",
    `${file}:1:1`,
    "the seed has no header",
    [],
    "write the names of its columns in the first line",
  );
}

function describedTwice(name: string, where: string, former: Described): ProjectError {
  const other = former.file.locate(["seeds", former.index, "name"]);
  return seedError(
    "SEED_DESCRIBED_TWICE",
    where,
    `seed "${name}" is described twice`,
    [`the other place: ${other}`],
    "keep one of the two",
  );
}

function describesNothing(name: string, where: string, known: Iterable<string>): ProjectError {
  return seedError(
    "SEED_MISSING",
    where,
    `this describes a seed "${name}" that has no CSV file`,
    nearestLine(name, known),
    `correct the name, or add ${name}.csv`,
  );
}

function seedError(code: string, where: string, message: string, why: string[], hint: string): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}
