import { EXIT, ProjectError } from "../core/errors.ts";
import type { YamlFile } from "../core/yaml.ts";
import type { Mistakes } from "./collect.ts";
import type { Properties } from "./properties.ts";
import { UNSUPPORTED_KEYS } from "./yaml-parts.ts";

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
