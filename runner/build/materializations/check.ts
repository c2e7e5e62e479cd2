import { EXIT, ProjectError } from "../../../core/errors.ts";
import { type Constraint, isMicrobatch, type ModelNode } from "../../graph/nodes.ts";
import type { Mistakes } from "../../project/collect.ts";
import { parseEventTime } from "./batch-windows.ts";

/** Adds an error for each part of a model's configuration that contradicts another. */
export function checkMaterialization(node: ModelNode, mistakes: Mistakes): void {
  const { config } = node;
  const where = node.template.uses.find((use) => use.name === "config")?.where ?? `${node.file}:1:1`;
  const add = (message: string, why: string[], hint: string) =>
    mistakes.add(new ProjectError("CONFIG_INVALID", { message, where, why, hint, exitCode: EXIT.usage }));
  if (config.merge_update_columns !== null && config.merge_exclude_columns !== null) {
    add(
      "merge_update_columns and merge_exclude_columns exclude each other",
      ["one names the columns that a merge updates, the other those that it leaves"],
      "keep one of the two",
    );
  }
  if (isMicrobatch(node)) {
    const { event_time, batch_size, begin } = config;
    const missing = Object.entries({ event_time, batch_size, begin }).filter(([, value]) => value === null);
    if (missing.length > 0) {
      const names = missing.map(([name]) => name).join(", ");
      add(`a microbatch model needs ${names}`, [], "set event_time, batch_size and begin");
    } else if (parseEventTime(begin ?? "") === undefined) {
      add(`begin is no time: ${JSON.stringify(begin)}`, [], "write a date, such as 2026-01-01");
    }
  }
  if (!config.contract.enforced) return;
  if (config.materialized === "ephemeral") {
    add("an ephemeral model cannot have a contract", ["it is never built"], "make it a view or a table");
  }
  if (
    config.materialized === "incremental" &&
    !["append_new_columns", "fail"].includes(config.on_schema_change)
  ) {
    add(
      `a contract on an incremental model does not go with on_schema_change "${config.on_schema_change}"`,
      ["columns would come or go that the contract does not name"],
      "set on_schema_change to append_new_columns or fail",
    );
  }
  for (const { of, constraint } of incompleteConstraints(node)) {
    add(
      `the ${constraint.type} constraint of ${of} is incomplete`,
      [],
      of === node.name ? "give it columns: of the model, or an expression:" : "give it an expression:",
    );
  }
  const untyped = node.columns.filter(({ dataType }) => dataType === null).map(({ name }) => name);
  if (node.columns.length === 0 || untyped.length > 0) {
    add(
      `the contract of "${node.name}" does not give the type of every column`,
      [untyped.length > 0 ? `without data_type: ${untyped.join(", ")}` : "it names no columns"],
      `list every column with its data_type in ${node.patchFile ?? "a YAML file beside the model"}`,
    );
  }
}

/** Constraints that miss the columns or the SQL that they are about. */
function incompleteConstraints(node: ModelNode): { of: string; constraint: Constraint }[] {
  const needsExpression = ({ type }: Constraint) => type === "check" || type === "custom";
  const names = new Set(node.columns.map(({ name }) => name.toLowerCase()));
  const hasColumns = ({ columns = [] }: Constraint) =>
    columns.length > 0 && columns.every((name) => names.has(name.toLowerCase()));
  const ofColumns = node.columns.flatMap(({ name, constraints }) =>
    constraints
      .filter((one) => needsExpression(one) && !one.expression)
      .map((constraint) => ({ of: name, constraint })),
  );
  const ofModel = node.constraints
    .filter((one) => (needsExpression(one) ? !one.expression : !hasColumns(one)))
    .map((constraint) => ({ of: node.name, constraint }));
  return [...ofColumns, ...ofModel];
}
