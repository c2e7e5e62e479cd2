import type { z } from "zod";
import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import type { Mistakes } from "./collect.ts";
import type { ModelConfig } from "./nodes.ts";
import type { Project } from "./project.ts";
import { type ModelConfigInput, modelConfigInput } from "./properties.ts";
import type { Template } from "./template.ts";

/** The nearest wins, tags add up, meta merges: dbt's rules. Later inputs are nearer. */
export function mergeModelConfig(inputs: readonly ModelConfigInput[]): ModelConfig {
  const merged: ModelConfig = {
    materialized: "view",
    schema: null,
    alias: null,
    enabled: true,
    tags: [],
    meta: {},
  };
  for (const input of inputs) {
    merged.materialized = input.materialized ?? merged.materialized;
    if (input.schema !== undefined) merged.schema = input.schema;
    if (input.alias !== undefined) merged.alias = input.alias;
    merged.enabled = input.enabled ?? merged.enabled;
    merged.tags = [...new Set([...merged.tags, ...(input.tags ?? [])])];
    merged.meta = { ...merged.meta, ...input.meta };
  }
  return merged;
}

/** The `+` keys of project.yml for the folders of an fqn, from the outermost to the innermost. */
export function folderConfigs(
  project: Project,
  fqn: readonly string[],
  mistakes: Mistakes,
): ModelConfigInput[] {
  const inputs: ModelConfigInput[] = [];
  let level: unknown = project.modelConfigs;
  const path: PropertyKey[] = ["models"];
  for (const step of [undefined, ...fqn]) {
    if (step !== undefined) {
      level = asMap(level)[step];
      path.push(step);
    }
    const given = Object.entries(asMap(level)).filter(([key, value]) => isConfigKey(key, value));
    const parsed = modelConfigInput.safeParse(
      Object.fromEntries(given.map(([key, value]) => [bare(key), value])),
    );
    if (parsed.success) {
      inputs.push(parsed.data);
      continue;
    }
    const place = (name: string) =>
      project.file.locateKey(path, given.find(([key]) => bare(key) === name)?.[0] ?? name);
    for (const error of configErrors(parsed.error, place)) mistakes.add(error);
  }
  return inputs;
}

/** `+tags`, or `materialized` without the plus where it cannot be a folder. */
function isConfigKey(key: string, value: unknown): boolean {
  return (
    key.startsWith("+") ||
    (key in modelConfigInput.shape && !(typeof value === "object" && !Array.isArray(value)))
  );
}

function bare(key: string): string {
  return key.replace(/^\+/, "");
}

function asMap(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

/** What the `{{ config(…) }}` calls of a template say. */
export function templateConfig<T extends z.ZodObject>(
  template: Template,
  schema: T,
  mistakes: Mistakes,
): z.output<T>[] {
  return template.uses
    .filter((use) => use.isCall && use.name === "config")
    .flatMap((use) => {
      const dynamic = Object.entries(use.named).filter(([, value]) => value === undefined);
      for (const [key] of dynamic) {
        mistakes.add(
          configError(use.where, `config "${key}" must be a literal value`, [], "write the value itself"),
        );
      }
      const parsed = schema.safeParse(use.named);
      if (parsed.success) return [parsed.data];
      for (const error of configErrors(parsed.error, () => use.where, Object.keys(schema.shape)))
        mistakes.add(error);
      return [];
    });
}

function configErrors(
  error: z.ZodError,
  where: (key: string) => string,
  known: string[] = Object.keys(modelConfigInput.shape),
): ProjectError[] {
  return error.issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) =>
        configError(
          where(key),
          `unknown config "${key}"`,
          nearestLine(key, known),
          `known: ${known.join(", ")}`,
        ),
      );
    }
    const key = String(issue.path[0] ?? "");
    const message = `config "${key}" is wrong: ${issue.message.replace(/^Invalid (input|option): /, "")}`;
    return [configError(where(key), message, [], "correct the value")];
  });
}

function configError(where: string, message: string, why: string[], hint: string): ProjectError {
  return new ProjectError("CONFIG_INVALID", { message, where, why, hint, exitCode: EXIT.usage });
}

/** dbt's generate_schema_name, or the model's schema as it is. */
export function schemaName(project: Project, config: ModelConfig, targetSchema: string): string {
  if (config.schema === null) return targetSchema;
  return project.schemaNames === "exact" ? config.schema : `${targetSchema}_${config.schema}`;
}
