import type { ModelNode, TestNode } from "../graph/nodes.ts";

/** Columns that make a model's key, found as dbt does: by constraint, else by tests, the surest first. */
export function primaryKey(model: ModelNode, tests: readonly TestNode[]): string[] {
  const declared = model.constraints.find(({ type }) => type === "primary_key")?.columns;
  if (declared !== undefined) return declared;
  const isKey = ({ constraints }: { constraints: readonly { type: string }[] }) =>
    constraints.some(({ type }) => type === "primary_key");
  const keyed = model.columns.find(isKey);
  if (keyed !== undefined) return [keyed.name];
  const unique = new Set<string>();
  const filled = new Set<string>();
  for (const { generic } of tests) {
    if (generic === null) continue;
    const { type, columnName, arguments: args } = generic;
    const columns = columnName === null ? args.combination_of_columns : [columnName];
    const names = Array.isArray(columns) ? columns.filter((name) => typeof name === "string") : [];
    if (type === "unique" || type === "unique_combination_of_columns")
      for (const name of names) unique.add(name);
    if (type === "not_null") for (const name of names) filled.add(name);
  }
  const both = [...filled].filter((name) => unique.has(name));
  return both.length > 0 ? both : [...unique];
}
