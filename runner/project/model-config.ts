import type { z } from "zod";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import type { HookText, ModelConfig } from "../graph/nodes.ts";
import type { Template } from "../templates/template.ts";
import type { Mistakes } from "./collect.ts";
import type { Project } from "./project.ts";
import { type ModelConfigInput, modelConfigInput } from "./properties.ts";

/** The nearest wins, tags and hooks add up, maps merge: dbt's rules. Later inputs are nearer. */
export function mergeModelConfig(inputs: readonly ModelConfigInput[]): ModelConfig {
  const merged: ModelConfig = {
    materialized: "view",
    schema: null,
    alias: null,
    enabled: true,
    tags: [],
    meta: {},
    ...MATERIALIZATION_DEFAULTS,
  };
  const given = inputs.filter((input) => Object.values(input).some((value) => value !== undefined));
  for (const input of given) {
    merged.materialized = input.materialized ?? merged.materialized;
    if (input.schema !== undefined) merged.schema = input.schema;
    if (input.alias !== undefined) merged.alias = input.alias;
    merged.enabled = input.enabled ?? merged.enabled;
    merged.tags = [...new Set([...merged.tags, ...(input.tags ?? [])])];
    merged.meta = { ...merged.meta, ...input.meta };
    if (input.docs !== undefined) merged.docs = { ...merged.docs, ...input.docs };
    if (input.group !== undefined) merged.group = input.group;
    if (input.access !== undefined) merged.access = input.access;
    mergeMaterialization(merged, input);
  }
  return merged;
}

const MATERIALIZATION_DEFAULTS = {
  incremental_strategy: null,
  unique_key: [],
  on_schema_change: "ignore",
  incremental_predicates: [],
  merge_update_columns: null,
  merge_exclude_columns: null,
  full_refresh: null,
  event_time: null,
  batch_size: null,
  lookback: 1,
  begin: null,
  concurrent_batches: null,
  pre_hook: [],
  post_hook: [],
  contract: { enforced: false },
  persist_docs: { relation: false, columns: false },
} satisfies Partial<ModelConfig>;

function mergeMaterialization(merged: ModelConfig, input: ModelConfigInput): void {
  if (input.incremental_strategy !== undefined) merged.incremental_strategy = input.incremental_strategy;
  if (input.unique_key !== undefined) merged.unique_key = input.unique_key ?? [];
  if (input.on_schema_change !== undefined) merged.on_schema_change = input.on_schema_change;
  if (input.incremental_predicates !== undefined)
    merged.incremental_predicates = input.incremental_predicates ?? [];
  if (input.merge_update_columns !== undefined) merged.merge_update_columns = input.merge_update_columns;
  if (input.merge_exclude_columns !== undefined) merged.merge_exclude_columns = input.merge_exclude_columns;
  if (input.full_refresh !== undefined) merged.full_refresh = input.full_refresh;
  if (input.event_time !== undefined) merged.event_time = input.event_time;
  if (input.batch_size !== undefined) merged.batch_size = input.batch_size;
  if (input.begin !== undefined) merged.begin = input.begin;
  if (input.concurrent_batches !== undefined) merged.concurrent_batches = input.concurrent_batches;
  merged.lookback = input.lookback ?? merged.lookback;
  merged.pre_hook = [...merged.pre_hook, ...hookTexts(input, "pre")];
  merged.post_hook = [...merged.post_hook, ...hookTexts(input, "post")];
  merged.contract = { enforced: input.contract?.enforced ?? merged.contract.enforced };
  merged.persist_docs = {
    relation: input.persist_docs?.relation ?? merged.persist_docs.relation,
    columns: input.persist_docs?.columns ?? merged.persist_docs.columns,
  };
}

/** The hooks of one place, under either of dbt's spellings. */
export function hookTexts(input: ModelConfigInput, kind: "pre" | "post"): HookText[] {
  return [...(input[`${kind}_hook`] ?? []), ...(input[`${kind}-hook`] ?? [])];
}

/** The `models:` or `seeds:` tree of project.yml: what each folder says, and what lies below it. */
export interface ConfigTree<T = ModelConfigInput> {
  config: T;
  folders: Map<string, ConfigTree<T>>;
  /** `file:line:column`. */
  where: string;
}

export function configTree<T extends z.ZodObject>(
  project: Project,
  tree: { key: string; levels: Record<string, unknown>; schema: T },
  mistakes: Mistakes,
): ConfigTree<z.output<T>> {
  const known = Object.keys(tree.schema.shape);
  const read = (level: Record<string, unknown>, path: PropertyKey[]): ConfigTree<z.output<T>> => {
    const entries = Object.entries(level);
    const given = entries.filter(
      ([key, value]) => key.startsWith("+") || !isMap(value) || isMapOption(tree.schema, key),
    );
    const parsed = tree.schema.safeParse(Object.fromEntries(given.map(([key, value]) => [bare(key), value])));
    const place = (name: string) =>
      project.file.locateKey(path, given.find(([key]) => bare(key) === name)?.[0] ?? name);
    if (!parsed.success) for (const error of configErrors(parsed.error, place, known)) mistakes.add(error);
    return {
      config: parsed.data ?? tree.schema.parse({}),
      folders: new Map(
        entries.flatMap(([key, value]) =>
          isMap(value) && !key.startsWith("+") && !isMapOption(tree.schema, key)
            ? [[key, read(value, [...path, key])]]
            : [],
        ),
      ),
      where: project.file.locateKey(path.slice(0, -1), String(path.at(-1))),
    };
  };
  return read(tree.levels, [tree.key]);
}

/** What the tree says for an fqn, from the outermost folder to the innermost. */
export function folderConfigs<T>(tree: ConfigTree<T>, fqn: readonly string[]): T[] {
  const inputs = [tree.config];
  let level: ConfigTree<T> | undefined = tree;
  for (const step of fqn) {
    level = level?.folders.get(step);
    if (level !== undefined) inputs.push(level.config);
  }
  return inputs;
}

/** Folders of the tree that no model lies in, with the names that were to be expected there. */
export function unusedFolders<T>(
  tree: ConfigTree<T>,
  fqns: readonly (readonly string[])[],
): { where: string; name: string; known: string[] }[] {
  const known = [...new Set(fqns.flatMap(([first]) => first ?? []))];
  return [...tree.folders].flatMap(([name, folder]) => {
    const below = fqns.filter(([first]) => first === name).map(([, ...rest]) => rest);
    return below.length === 0 ? [{ where: folder.where, name, known }] : unusedFolders(folder, below);
  });
}

/** `column_types:` of a seed is a map and not a folder. */
function isMapOption(schema: z.ZodObject, key: string): boolean {
  return key === "column_types" && key in schema.shape;
}

function bare(key: string): string {
  return key.replace(/^\+/, "");
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the `{{ config(…) }}` calls of a template say. */
export function templateConfig<T extends z.ZodObject>(
  template: Pick<Template, "uses">,
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
      const known = Object.keys(schema.shape);
      const others = Object.keys(use.named).filter((key) => !known.includes(key));
      const isNoted = mistakes.unknownConfigs === "noted";
      if (isNoted)
        for (const key of others) mistakes.cannotRun(use.where, `config "${key}"`, nearestLine(key, known));
      const given = Object.entries(use.named).filter(([key]) => !isNoted || known.includes(key));
      const parsed = schema.safeParse(Object.fromEntries(given), { reportInput: true });
      if (parsed.success) return [parsed.data];
      for (const error of configErrors(parsed.error, () => use.where, Object.keys(schema.shape)))
        mistakes.add(error);
      return [];
    });
}

/** The mistakes of a configuration, each at the place of its key. */
export function configErrors(
  error: z.ZodError,
  where: (key: string) => string,
  known: readonly string[] = Object.keys(modelConfigInput.shape),
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
    if (issue.code === "invalid_value" && typeof issue.input === "string" && issue.path.length === 1) {
      const values = issue.values.map(String);
      const why = [...nearestLine(issue.input, values), `expected: ${values.join(", ")}`];
      return [
        configError(where(key), `config "${key}" cannot be "${issue.input}"`, why, "correct the value"),
      ];
    }
    const message = `config "${key}" is wrong: ${issue.message.replace(/^Invalid (input|option): /, "")}`;
    return [configError(where(key), message, [], "correct the value")];
  });
}

export function configError(where: string, message: string, why: string[], hint: string): ProjectError {
  return new ProjectError("CONFIG_INVALID", { message, where, why, hint, exitCode: EXIT.usage });
}

/** dbt's generate_schema_name, or the model's schema as it is. */
export function schemaName(
  project: Project,
  config: Pick<ModelConfig, "schema">,
  targetSchema: string,
): string {
  if (config.schema === null) return targetSchema;
  return project.schemaNames === "exact" ? config.schema : `${targetSchema}_${config.schema}`;
}
