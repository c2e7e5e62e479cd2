import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";
import type { Mistakes } from "./collect.ts";
import { listFiles } from "./files.ts";
import type { Project } from "./project.ts";
import { modelConfigInput, type Properties, seedConfigInput } from "./properties.ts";
import { UNSUPPORTED_KEYS } from "./yaml-parts.ts";

const PYTHON_HINT = "write it as SQL, or move the file out of the models' folders";
/** Packages whose part in most projects is their tests' names, or nothing at run time. */
const QUIET_PACKAGES = ["dbt_utils", "dbt_expectations", "codegen", "dbt_project_evaluator"];

/** Files of a dbt project that cannot run: Python models are errors, the rest does nothing unless it is called. */
export function noteDbtFiles(ctx: Context, project: Project, mistakes: Mistakes): void {
  if (project.dbt === undefined) return;
  for (const file of listFiles(ctx.projectDir, project.modelPaths, [".py"])) mistakes.add(pythonModel(file));
  for (const file of listFiles(
    ctx.projectDir,
    [...project.macroPaths, ...project.dbt.snapshotPaths],
    [".sql"],
  )) {
    const text = mistakes.attempt(() => readTextFile(ctx.projectDir, file)) ?? "";
    for (const { 1: kind = "", 2: name = "", index } of text.matchAll(
      /\{%-?\s*(macro|snapshot|test)\s+(\w+)/g,
    )) {
      const line = text.slice(0, index).split("\n").length;
      mistakes.cannotRun(`${file}:${line}:1`, `Jinja ${kind} ${name}`);
    }
  }
  for (const file of ["packages.yml", "dependencies.yml"]) notePackages(ctx, file, mistakes);
}

const packagesSchema = z.looseObject({
  packages: z.array(z.record(z.string(), z.json())).nullable().default([]),
});

function notePackages(ctx: Context, path: string, mistakes: Mistakes): void {
  if (!existsSync(join(ctx.projectDir, path))) return;
  mistakes.attempt(() => {
    const file = parseYaml(path, readTextFile(ctx.projectDir, path));
    for (const [index, entry] of (validateYaml(file, packagesSchema).packages ?? []).entries()) {
      const name = String(entry.package ?? entry.git ?? entry.local ?? entry.tarball ?? "");
      const short =
        name
          .split("/")
          .at(-1)
          ?.replace(/\.git$/, "") ?? name;
      if (!QUIET_PACKAGES.includes(short.replaceAll("-", "_")))
        mistakes.cannotRun(file.locate(["packages", index]), `package ${name}`);
    }
  });
}

function pythonModel(file: string): ProjectError {
  return new ProjectError("MODEL_PYTHON", {
    message: "Python models are not supported",
    where: `${file}:1:1`,
    hint: PYTHON_HINT,
    exitCode: EXIT.usage,
  });
}

/** What a dbt project may declare and this version does not do: noted, or an error where results would differ. */
export function noteUnsupported(file: YamlFile, properties: Properties, mistakes: Mistakes): void {
  for (const key of Object.keys(UNSUPPORTED_KEYS) as (keyof typeof UNSUPPORTED_KEYS)[]) {
    for (const [index, { name }] of properties[key].entries())
      mistakes.cannotRun(file.locate([key, index]), `${name} (${key})`);
  }
  for (const [index, model] of properties.models.entries()) {
    if (model.versions !== undefined || model.latest_version !== undefined)
      mistakes.add(
        versionsError(
          model.name,
          file.locateKey(["models", index], model.versions === undefined ? "latest_version" : "versions"),
        ),
      );
  }
  for (const [index, source] of properties.sources.entries()) {
    for (const [place, table] of source.tables.entries()) {
      const isExternal = [source.meta, source.config.meta, table.meta, table.config.meta].some(
        (meta) => meta !== undefined && "external_location" in meta,
      );
      if (isExternal || table.external !== undefined)
        mistakes.cannotRun(
          file.locate(["sources", index, "tables", place]),
          `external location of ${source.name}.${table.name}`,
        );
    }
  }
}

function versionsError(name: string, where: string): ProjectError {
  return new ProjectError("MODEL_VERSIONS", {
    message: `model "${name}" has versions, which are not supported`,
    where,
    hint: `remove "versions" and "latest_version", and give each version a model file and a name of its own`,
    exitCode: EXIT.usage,
  });
}

const entries = z.array(z.looseObject({ config: z.record(z.string(), z.json()).optional() }));
const configured = z.looseObject({ models: entries.optional(), seeds: entries.optional() });
const KNOWN = { models: modelConfigInput, seeds: seedConfigInput };

/** The YAML of a dbt project without the configs that other engines and packages read; each is noted. The file's own value when it has none. */
export function withoutUnknownConfigs(file: YamlFile, mistakes: Mistakes): unknown {
  if (mistakes.unknownConfigs === "refused") return file.value;
  const parsed = configured.safeParse(file.value);
  if (!parsed.success) return file.value;
  const isKnown = (kind: keyof typeof KNOWN) =>
    (parsed.data[kind] ?? []).every(({ config = {} }) =>
      Object.keys(config).every((key) => key in KNOWN[kind].shape),
    );
  if (isKnown("models") && isKnown("seeds")) return file.value;
  const value = { ...parsed.data };
  for (const kind of ["models", "seeds"] as const) {
    const list = value[kind];
    if (list === undefined) continue;
    value[kind] = list.map((entry, index) => {
      if (entry.config === undefined) return entry;
      const kept = Object.entries(entry.config).filter(([key]) => {
        const { shape } = KNOWN[kind];
        const isKnown = key in shape;
        if (!isKnown)
          mistakes.cannotRun(
            file.locateKey([kind, index, "config"], key),
            `config "${key}"`,
            nearestLine(key, Object.keys(shape)),
          );
        return isKnown;
      });
      return { ...entry, config: Object.fromEntries(kept) };
    });
  }
  return value;
}
