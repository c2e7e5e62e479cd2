import { quote } from "./duckdb-names.ts";
import {
  CHANGED_TABLE,
  type ColumnType,
  NEW_ROWS,
  type Relation,
  type RowMatch,
  type TableDefinition,
} from "./engine.ts";

/** The session's table of new rows. DuckDB looks for names among temporary tables first: no model has this one. */
export const STAGED_NAME = "__sillon_new_rows";
export const STAGED = `temp.main.${quote(STAGED_NAME)}`;

export function nameOf({ schema, name }: Relation): string {
  return `${quote(schema)}.${quote(name)}`;
}

export function createTable(relation: Relation, { columns, constraints }: TableDefinition): string {
  const lines = [
    ...columns.map((column) => [quote(column.name), column.type, ...column.constraints].join(" ")),
    ...constraints,
  ];
  return `create or replace table ${nameOf(relation)} (\n  ${lines.join(",\n  ")}\n)`;
}

export function alterTable(
  relation: Relation,
  {
    add,
    drop,
    retype,
  }: { add: readonly ColumnType[]; drop: readonly string[]; retype: readonly ColumnType[] },
): string[] {
  const head = `alter table ${nameOf(relation)}`;
  return [
    ...add.map(({ name, type }) => `${head} add column ${quote(name)} ${type}`),
    ...drop.map((name) => `${head} drop column ${quote(name)}`),
    ...retype.map(({ name, type }) => `${head} alter column ${quote(name)} set data type ${type}`),
  ];
}

export function insertStaged(relation: Relation, columns: readonly string[]): string {
  const list = columns.map(quote).join(", ");
  return `insert into ${nameOf(relation)} (${list}) select ${list} from ${STAGED}`;
}

/** Nulls in keys match nulls, so that the same rows twice are the same rows. */
function sameKeys(keys: readonly string[]): string[] {
  return keys.map((key) => `${CHANGED_TABLE}.${quote(key)} is not distinct from ${NEW_ROWS}.${quote(key)}`);
}

/** The conditions see the table's own columns without a prefix, as in dbt. */
export function deleteStaged(relation: Relation, { keys, predicates }: RowMatch): string {
  const matching = `exists (select 1 from ${STAGED} as ${NEW_ROWS} where ${sameKeys(keys).join(" and ")})`;
  const conditions = [matching, ...predicates.map((predicate) => `(${predicate})`)];
  return `delete from ${nameOf(relation)} as ${CHANGED_TABLE} where ${conditions.join(" and ")}`;
}

export function mergeStaged(
  relation: Relation,
  { keys, predicates, columns, update }: RowMatch & { columns: readonly string[]; update: readonly string[] },
): string {
  const conditions = [...sameKeys(keys), ...predicates.map((predicate) => `(${predicate})`)];
  const sets = update.map((column) => `${quote(column)} = ${NEW_ROWS}.${quote(column)}`);
  return [
    `merge into ${nameOf(relation)} as ${CHANGED_TABLE}`,
    `using ${STAGED} as ${NEW_ROWS}`,
    `on ${conditions.join(" and ")}`,
    ...(sets.length === 0 ? [] : [`when matched then update set ${sets.join(", ")}`]),
    `when not matched then insert (${columns.map(quote).join(", ")})`,
    `values (${columns.map((column) => `${NEW_ROWS}.${quote(column)}`).join(", ")})`,
  ].join("\n");
}
