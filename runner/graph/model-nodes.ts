import { basename, dirname } from "node:path";
import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { createTextReader } from "../../core/text-file.ts";
import type { YamlFile } from "../../core/yaml.ts";
import { parseHook } from "../build/hooks.ts";
import { checkMaterialization } from "../build/materializations/check.ts";
import { freshnessOf } from "../freshness/freshness-rules.ts";
import type { Mistakes } from "../project/collect.ts";
import { docBlocksOf } from "../project/docs-blocks.ts";
import { listFiles } from "../project/files.ts";
import {
  type ConfigTree,
  configTree,
  folderConfigs,
  hookTexts,
  mergeModelConfig,
  schemaName,
  templateConfig,
  unusedFolders,
} from "../project/model-config.ts";
import type { ParseCache } from "../project/parse-cache.ts";
import type { Project } from "../project/project.ts";
import {
  type ColumnInput,
  type ModelConfigInput,
  type ModelProperties,
  modelConfigInput,
  type Properties,
} from "../project/properties.ts";
import type { Macros } from "../templates/macro.ts";
import { usesWithMacros } from "../templates/macros.ts";
import type { Template } from "../templates/template.ts";
import type { Column, Hook, ModelNode, ReferableNode, SourceNode } from "./nodes.ts";

export interface PropertiesFile {
  file: YamlFile;
  properties: Properties;
}

interface Described {
  file: YamlFile;
  index: number;
  properties: ModelProperties;
}

/** The models of the project, without their dependencies yet; those that are switched off apart. */
export function loadModels(
  ctx: Context,
  project: Project,
  given: {
    descriptions: readonly PropertiesFile[];
    targetSchema: string;
    macros: Macros;
    mistakes: Mistakes;
    cache: ParseCache;
  },
): { models: ModelNode[]; disabled: ModelNode[]; unread: Set<string> } {
  const { mistakes } = given;
  const described = indexDescriptions(given.descriptions, mistakes);
  const configs = configTree(
    project,
    { key: "models", levels: project.modelConfigs, schema: modelConfigInput },
    mistakes,
  );
  const models: ModelNode[] = [];
  const disabled: ModelNode[] = [];
  const unread = new Set<string>();
  const fqns: string[][] = [];
  const read = createTextReader(ctx.projectDir);
  for (const file of listFiles(ctx.projectDir, project.modelPaths, [".sql"])) {
    const name = basename(file, ".sql");
    const model = mistakes.attempt(() => {
      return loadModel(project, {
        file,
        name,
        read,
        described: described.get(name),
        configs,
        targetSchema: given.targetSchema,
        macros: given.macros,
        mistakes,
        cache: given.cache,
      });
    });
    if (model === undefined) unread.add(name);
    else fqns.push(model.fqn);
    if (model?.config.enabled === false) disabled.push(model);
    else if (model !== undefined) models.push(model);
  }
  const names = new Set([...unread, ...[...models, ...disabled].map((model) => model.name)]);
  for (const [name, { file, index }] of described) {
    if (!names.has(name)) mistakes.add(describesNothing(name, file.locate(["models", index, "name"]), names));
  }
  for (const { where, name, known } of unusedFolders(configs, fqns)) {
    const why = nearestLine(name, known).map((line) => `; ${line}`);
    ctx.log.warn("config_unused", `${where}  no model lies below "${name}"${why.join("")}`);
  }
  return { models, disabled, unread };
}

function loadModel(
  project: Project,
  given: {
    file: string;
    name: string;
    read: (file: string) => string;
    described: Described | undefined;
    configs: ConfigTree;
    targetSchema: string;
    macros: Macros;
    mistakes: Mistakes;
    cache: ParseCache;
  },
): ModelNode {
  const { file, name, described, mistakes } = given;
  const root = project.modelPaths.find((folder) => file.startsWith(`${folder}/`)) ?? "";
  const folders = dirname(file.slice(root.length + 1))
    .split("/")
    .filter((step) => step !== ".");
  const fqn = [project.name, ...folders, name];
  const template = given.cache.template(file, given.read(file));
  mistakes.addAll(template.mistakes ?? []);
  if (template.source.replace(COMMENTS, "").trim() === "") throw emptyModel(file);
  const properties = described?.properties;
  const configs = {
    folders: folderConfigs(given.configs, fqn),
    properties: properties ? [directConfig(properties), properties.config] : [],
    template: templateConfig({ uses: usesWithMacros(given.macros, template) }, modelConfigInput, mistakes),
  };
  const config = mergeModelConfig([...configs.folders, ...configs.properties, ...configs.template]);
  const model: ModelNode = {
    kind: "model",
    id: `model.${project.name}.${name}`,
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
    constraints: properties?.constraints ?? [],
    template,
    hooks: loadHooks(configs, { project, described, template, mistakes }),
    patchFile: described?.file.path ?? null,
  };
  checkMaterialization(model, mistakes);
  return model;
}

/** The hooks of a model from every place that gives some, in dbt's order: the project's, the YAML's, its own. */
function loadHooks(
  configs: Record<"folders" | "properties" | "template", readonly ModelConfigInput[]>,
  from: { project: Project; described: Described | undefined; template: Template; mistakes: Mistakes },
): { pre: Hook[]; post: Hook[] } {
  const { project, described, template, mistakes } = from;
  const whereIs = (kind: "pre" | "post") => ({
    folders: () => project.file.locate(["models"]),
    properties: () => {
      const keys = Object.keys(described?.properties.config ?? {});
      const key = keys.find((name) => name === `${kind}-hook`) ?? `${kind}_hook`;
      return described?.file.locateKey(["models", described.index, "config"], key) ?? "";
    },
    template: () =>
      template.uses.find((use) => use.name === "config" && `${kind}_hook` in use.named)?.where ??
      `${template.file}:1:1`,
  });
  const inputs = [...configs.folders, ...configs.properties, ...configs.template];
  if (!inputs.some(hasHooks)) return { pre: [], post: [] };
  const hooksOf = (kind: "pre" | "post") =>
    (["folders", "properties", "template"] as const).flatMap((origin) =>
      configs[origin]
        .flatMap((input) => hookTexts(input, kind))
        .flatMap((text) => mistakes.attempt(() => parseHook(text, whereIs(kind)[origin]())) ?? []),
    );
  return { pre: hooksOf("pre"), post: hooksOf("post") };
}

function hasHooks(input: ModelConfigInput): boolean {
  return (
    input.pre_hook !== undefined ||
    input["pre-hook"] !== undefined ||
    input.post_hook !== undefined ||
    input["post-hook"] !== undefined
  );
}

/** What dbt takes beside `config:` as well. */
function directConfig({ docs, group, access, tags, meta }: ModelProperties): ModelConfigInput {
  return { docs, group, access, tags, meta };
}

/** Of SQL and of both call styles. */
const COMMENTS = /--.*|\/\*[\s\S]*?\*\/|\{#[\s\S]*?#\}|\{\{~?!--[\s\S]*?--~?\}\}|\{\{~?![^}]*\}\}/g;

function emptyModel(file: string): ProjectError {
  return new ProjectError("MODEL_EMPTY", {
    message: "the model has no SQL",
    where: `${file}:1:1`,
    hint: "write a select, or delete the file",
    exitCode: EXIT.usage,
  });
}

export function toColumn(input: ColumnInput): Column {
  const { name, data_type, quote, constraints, config } = input;
  return {
    name,
    description: input.description.trim(),
    ...docBlocksOf(input),
    dataType: data_type,
    quote,
    constraints,
    tags: [...new Set([...input.tags, ...(config.tags ?? [])])],
    meta: { ...input.meta, ...config.meta },
  };
}

function indexDescriptions(files: readonly PropertiesFile[], mistakes: Mistakes): Map<string, Described> {
  const described = new Map<string, Described>();
  for (const { file, properties } of files) {
    for (const [index, model] of properties.models.entries()) {
      if (model.name === "") continue; // Its mistake is known already.
      const former = described.get(model.name);
      if (former === undefined) described.set(model.name, { file, index, properties: model });
      else mistakes.add(describedTwice(model.name, file.locate(["models", index, "name"]), former));
    }
  }
  return described;
}

function describedTwice(name: string, where: string, former: Described): ProjectError {
  return new ProjectError("MODEL_DESCRIBED_TWICE", {
    message: `model "${name}" is described twice`,
    where,
    why: [`the other place: ${former.file.locate(["models", former.index, "name"])}`],
    hint: "keep one of the two",
    exitCode: EXIT.usage,
  });
}

function describesNothing(name: string, where: string, known: Iterable<string>): ProjectError {
  return new ProjectError("MODEL_MISSING", {
    message: `this describes a model "${name}" that has no SQL file`,
    where,
    why: nearestLine(name, known),
    hint: `correct the name, or add ${name}.sql`,
    exitCode: EXIT.usage,
  });
}

export function checkDuplicates(models: readonly ReferableNode[], mistakes: Mistakes): void {
  const seen = new Map<string, ReferableNode>();
  for (const model of models) {
    const keys = [
      `name ${model.name.toLowerCase()}`,
      `relation ${model.relation.schema}.${model.relation.name}`.toLowerCase(),
    ];
    const former = keys.map((key) => seen.get(key)).find((other) => other !== undefined);
    for (const key of keys) seen.set(key, model);
    if (former === undefined) continue;
    mistakes.add(
      new ProjectError("MODEL_DUPLICATE", {
        message: `${model.kind} "${model.name}" would build what another file builds`,
        where: `${model.file}:1:1`,
        why: [`the other file: ${former.file}`, "names that differ only in case are the same to the engine"],
        hint: "rename one of them, or give it another schema or alias",
        exitCode: EXIT.usage,
      }),
    );
  }
}

/** The source tables that YAML files declare. */
export function loadSourceNodes(
  project: Project,
  files: readonly PropertiesFile[],
  { targetDatabase, mistakes }: { targetDatabase: string | undefined; mistakes: Mistakes },
): { sources: SourceNode[]; disabled: SourceNode[] } {
  const nodes = new Map<string, SourceNode>();
  const disabled: SourceNode[] = [];
  for (const { file, properties } of files) {
    for (const [index, source] of properties.sources.entries()) {
      for (const [tableIndex, table] of source.tables.entries()) {
        const id = `source.${project.name}.${source.name}.${table.name}`;
        if (nodes.has(id))
          mistakes.add(
            sourceTwice(
              `${source.name}.${table.name}`,
              file.locate(["sources", index, "tables", tableIndex]),
            ),
          );
        const node: SourceNode = {
          kind: "source",
          id,
          name: table.name,
          sourceName: source.name,
          sourceDescription: source.description.trim(),
          eventTime: table.config.event_time ?? source.config.event_time ?? null,
          fqn: [project.name, ...folderOf(project, file.path), source.name, table.name],
          file: file.path,
          description: table.description.trim(),
          ...docBlocksOf(table),
          tags: [
            ...new Set([
              ...source.tags,
              ...(source.config.tags ?? []),
              ...table.tags,
              ...(table.config.tags ?? []),
            ]),
          ],
          dependsOn: [],
          relation: {
            ...(isOther(source.database, targetDatabase) ? { database: source.database } : {}),
            schema: source.schema ?? source.name,
            name: table.identifier ?? table.name,
          },
          columns: table.columns.map(toColumn),
          loader: table.loader || source.loader,
          meta: { ...source.meta, ...source.config.meta, ...table.meta, ...table.config.meta },
          sourceMeta: { ...source.meta, ...source.config.meta },
          quoting: { ...source.quoting, ...table.quoting },
          ...freshnessOf(source, table),
          where: file.locate(["sources", index, "tables", tableIndex, "name"]),
        };
        if ((table.config.enabled ?? source.config.enabled) === false) disabled.push(node);
        else nodes.set(id, node);
      }
    }
  }
  return { sources: [...nodes.values()], disabled };
}

function isOther(database: string | null | undefined, target: string | undefined): database is string {
  return (
    typeof database === "string" &&
    database !== "" &&
    target !== undefined &&
    database.toLowerCase() !== target.toLowerCase()
  );
}

export function folderOf({ modelPaths, seedPaths }: Project, file: string): string[] {
  const root = [...modelPaths, ...seedPaths].find((folder) => file.startsWith(`${folder}/`));
  const below = root === undefined ? file.replace(/^[^/]*\//, "") : file.slice(root.length + 1);
  return dirname(below)
    .split("/")
    .filter((step) => step !== ".");
}

function sourceTwice(name: string, where: string): ProjectError {
  return new ProjectError("SOURCE_DUPLICATE", {
    message: `source table "${name}" is declared twice`,
    where,
    hint: "keep one of the two",
    exitCode: EXIT.usage,
  });
}
