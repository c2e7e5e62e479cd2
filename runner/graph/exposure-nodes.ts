import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { Mistakes } from "../project/collect.ts";
import { docBlocksOf } from "../project/docs-blocks.ts";
import type { Project } from "../project/project.ts";
import { folderOf, type PropertiesFile } from "./model-nodes.ts";
import type { ExposureNode, Group, ModelNode } from "./nodes.ts";
import { type NameIndex, resolveArgument } from "./references.ts";

/** What the project's tables are used for: dashboards, notebooks, applications; those switched off apart. */
export function loadExposures(
  project: Project,
  files: readonly PropertiesFile[],
  { index, mistakes }: { index: NameIndex; mistakes: Mistakes },
): { exposures: ExposureNode[]; disabled: ExposureNode[] } {
  const nodes = new Map<string, ExposureNode>();
  const disabled: ExposureNode[] = [];
  for (const { file, properties } of files) {
    for (const [place, properties_] of properties.exposures.entries()) {
      const { config, depends_on, ...exposure } = properties_;
      const where = file.locate(["exposures", place, "name"]);
      const id = `exposure.${project.name}.${exposure.name}`;
      if (nodes.has(id)) mistakes.add(twice("exposure", exposure.name, where));
      const isOff = config.enabled === false;
      const dependsOn = (isOff ? [] : depends_on).flatMap((reference, item) => {
        const at = file.locate(["exposures", place, "depends_on", item]);
        if (/^\s*metric\(/.test(reference)) {
          mistakes.cannotRun(at, `${reference} of exposure "${exposure.name}"`);
          return [];
        }
        return mistakes.attempt(() => resolveArgument(index, reference, at).id) ?? [];
      });
      const node: ExposureNode = {
        kind: "exposure",
        id,
        name: exposure.name,
        fqn: [project.name, ...folderOf(project, file.path), exposure.name],
        file: file.path,
        description: exposure.description.trim(),
        ...docBlocksOf(properties_),
        tags: [...new Set([...exposure.tags, ...(config.tags ?? [])])],
        dependsOn: [...new Set(dependsOn)],
        type: exposure.type,
        owner: exposure.owner,
        label: exposure.label,
        maturity: exposure.maturity,
        url: exposure.url,
        meta: { ...exposure.meta, ...config.meta },
      };
      if (isOff) disabled.push(node);
      else nodes.set(id, node);
    }
  }
  return { exposures: [...nodes.values()], disabled };
}

/** The groups that YAML files declare; models must name one of them, and keep what is private to it. */
export function loadGroups(
  project: Project,
  files: readonly PropertiesFile[],
  { models, mistakes }: { models: readonly ModelNode[]; mistakes: Mistakes },
): Group[] {
  const groups = new Map<string, Group>();
  for (const { file, properties } of files) {
    for (const [place, { name, owner, description, config }] of properties.groups.entries()) {
      if (groups.has(name)) mistakes.add(twice("group", name, file.locate(["groups", place, "name"])));
      groups.set(name, {
        id: `group.${project.name}.${name}`,
        name,
        owner,
        description,
        config,
        file: file.path,
      });
    }
  }
  const byId = new Map(models.map((model) => [model.id, model]));
  for (const model of models) {
    const { group } = model.config;
    if (group !== undefined && !groups.has(group))
      mistakes.add(
        groupUnknown(model, group, { known: [...groups.keys()], where: groupPlace(model, group, files) }),
      );
    for (const parent of model.dependsOn.flatMap((id) => byId.get(id) ?? [])) {
      if (parent.config.access === "private" && parent.config.group !== group)
        mistakes.add(refPrivate(model, parent));
    }
  }
  return [...groups.values()];
}

function twice(kind: string, name: string, where: string): ProjectError {
  return new ProjectError(`${kind.toUpperCase()}_DUPLICATE`, {
    message: `${kind} "${name}" is declared twice`,
    where,
    hint: "keep one of the two",
    exitCode: EXIT.usage,
  });
}

/** Where the model was given its group: in its template, in its YAML, or else by its folder. */
function groupPlace(model: ModelNode, group: string, files: readonly PropertiesFile[]): string {
  const call = model.template.uses.find(({ name, named }) => name === "config" && named.group === group);
  if (call !== undefined) return call.where;
  const { file, properties } = files.find(({ file }) => file.path === model.patchFile) ?? {};
  const place = properties?.models.findIndex(({ name }) => name === model.name) ?? -1;
  if (file === undefined || properties === undefined || place < 0) return `${model.file}:1:1`;
  const isDirect = properties.models[place]?.group === group;
  return file.locate(["models", place, ...(isDirect ? ["group"] : ["config", "group"])]);
}

function groupUnknown(
  model: ModelNode,
  group: string,
  { known, where }: { known: readonly string[]; where: string },
): ProjectError {
  return new ProjectError("GROUP_UNKNOWN", {
    message: `model "${model.name}" belongs to an unknown group "${group}"`,
    where,
    why: [...nearestLine(group, known), `groups: ${known.join(", ") || "none"}`],
    hint: "correct the name, or add the group under groups: in a YAML file below models/",
    exitCode: EXIT.usage,
  });
}

function refPrivate(model: ModelNode, parent: ModelNode): ProjectError {
  const use = model.template.uses.find(({ name, args }) => name === "ref" && args.at(-1) === parent.name);
  return new ProjectError("REF_PRIVATE", {
    message: `model "${parent.name}" is private to group "${parent.config.group ?? ""}"`,
    where: use?.where ?? `${model.file}:1:1`,
    hint: `put "${model.name}" into that group, or give "${parent.name}" access: protected`,
    exitCode: EXIT.usage,
  });
}
