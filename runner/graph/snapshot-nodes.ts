import { EXIT, ProjectError } from "../../core/errors.ts";
import type { YamlFile } from "../../core/yaml.ts";
import type { Mistakes } from "../project/collect.ts";
import { docBlocksOf } from "../project/docs-blocks.ts";
import { configTree, folderConfigs, schemaName } from "../project/model-config.ts";
import type { Project } from "../project/project.ts";
import {
  type SnapshotConfigInput,
  type SnapshotProperties,
  snapshotConfigInput,
} from "../project/properties.ts";
import { folderOf, type PropertiesFile, toColumn } from "./model-nodes.ts";
import type { SnapshotConfig, SnapshotNode } from "./nodes.ts";

/** The snapshots that YAML files declare, without what they read. */
export function loadSnapshots(
  project: Project,
  files: readonly PropertiesFile[],
  { targetSchema, mistakes }: { targetSchema: string; mistakes: Mistakes },
): { snapshots: SnapshotNode[]; disabled: SnapshotNode[] } {
  const tree = { key: "snapshots", levels: project.snapshotConfigs, schema: snapshotConfigInput };
  const configs = configTree(project, tree, mistakes);
  const all = files.flatMap(({ file, properties }) =>
    properties.snapshots.flatMap((properties_, index) => {
      if (properties_.name === "" || properties_.relation === "") return []; // Its mistake is known already.
      const fqn = [project.name, ...folderOf(project, file.path), properties_.name];
      const inputs = [...folderConfigs(configs, fqn), properties_.config];
      const at = { project, targetSchema, fqn, inputs };
      return mistakes.attempt(() => snapshotNode(properties_, { file, index }, at)) ?? [];
    }),
  );
  return {
    snapshots: all.filter(({ config }) => config.enabled),
    disabled: all.filter(({ config }) => !config.enabled),
  };
}

function snapshotNode(
  properties: SnapshotProperties,
  { file, index }: { file: YamlFile; index: number },
  given: { project: Project; targetSchema: string; fqn: string[]; inputs: SnapshotConfigInput[] },
): SnapshotNode {
  const { name } = properties;
  const where = file.locate(["snapshots", index, "name"]);
  const config = mergeConfig(name, where, given.inputs);
  const schema = schemaName(given.project, config, given.targetSchema);
  return {
    kind: "snapshot",
    id: `snapshot.${given.project.name}.${name}`,
    name,
    fqn: given.fqn,
    file: file.path,
    description: properties.description.trim(),
    ...docBlocksOf(properties),
    tags: config.tags,
    dependsOn: [],
    config,
    relation: { schema, name: config.alias ?? name },
    columns: properties.columns.map(toColumn),
    reads: { text: properties.relation, where: file.locate(["snapshots", index, "relation"]) },
    where,
  };
}

function mergeConfig(name: string, where: string, inputs: readonly SnapshotConfigInput[]): SnapshotConfig {
  const given: SnapshotConfigInput = Object.assign({}, ...inputs.map(withoutAbsent));
  const { strategy, updated_at, check_cols } = given;
  const keys = [given.unique_key ?? []].flat();
  if (strategy === undefined)
    throw configMissing(name, where, "strategy", "give it strategy: timestamp, or strategy: check");
  if (keys.length === 0)
    throw configMissing(name, where, "unique_key", "give it unique_key: the column, or a list of columns");
  if (strategy === "timestamp" && updated_at === undefined)
    throw configMissing(
      name,
      where,
      "updated_at",
      "give it updated_at: the column with the time of the change",
    );
  if (strategy === "check" && check_cols === undefined)
    throw configMissing(name, where, "check_cols", "give it check_cols: all, or a list of columns");
  const isInvalidating = given.invalidate_hard_deletes === true;
  return {
    materialized: "snapshot",
    strategy,
    unique_key: keys,
    updated_at: updated_at ?? null,
    check_cols: strategy === "check" ? (check_cols ?? "all") : null,
    hard_deletes: given.hard_deletes ?? (isInvalidating ? "invalidate" : "ignore"),
    dbt_valid_to_current: given.dbt_valid_to_current ?? null,
    snapshot_meta_column_names: given.snapshot_meta_column_names ?? {},
    schema: given.schema ?? null,
    alias: given.alias ?? null,
    enabled: given.enabled ?? true,
    tags: [...new Set(inputs.flatMap(({ tags }) => tags ?? []))],
    meta: Object.assign({}, ...inputs.map(({ meta }) => meta ?? {})),
    ...(given.docs === undefined ? {} : { docs: given.docs }),
  };
}

function withoutAbsent(input: SnapshotConfigInput): SnapshotConfigInput {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
}

function configMissing(name: string, where: string, key: string, hint: string): ProjectError {
  return new ProjectError("SNAPSHOT_CONFIG", {
    message: `snapshot "${name}" has no ${key}`,
    where,
    hint,
    exitCode: EXIT.usage,
  });
}
