import { faultPoint } from "#faults";
import { ProjectError } from "../../../core/errors.ts";
import type { ColumnType, Session, TableDefinition } from "../../../engines/engine.ts";
import type { CompiledNode } from "../../graph/compile.ts";
import type { ModelNode } from "../../graph/nodes.ts";

/** Whether this run adds to the table that is there, and `is_incremental()` is true. */
export async function isIncrementalRun(
  session: Session,
  { node, isFullRefresh }: { node: ModelNode; isFullRefresh: boolean },
): Promise<boolean> {
  const { materialized, full_refresh } = node.config;
  if (materialized !== "incremental" || (full_refresh ?? isFullRefresh)) return false;
  return (await session.kindOf(node.relation)) === "table";
}

/** Adds the new rows to the table by the model's strategy. Returns how many rows came in. */
export async function buildIncremental(
  session: Session,
  work: { node: ModelNode; compiled: CompiledNode; ran: CompiledNode; onChosen: (ran: CompiledNode) => void },
  definition: TableDefinition | undefined,
): Promise<number> {
  const { node, compiled } = work;
  const staged = await session.stageRows(work.ran.sql);
  const difference = compareColumns(await session.columnsOf(node.relation), staged.columns);
  if (isChanged(difference, node) && node.config.on_schema_change === "full_refresh") {
    await session.dropStaged();
    work.onChosen(compiled);
    return session.replaceTable(node.relation, compiled.sql, definition);
  }
  const columns = await followSchema(session, node, { difference, staged: staged.columns });
  const rows = await applyStrategy(session, node, { columns, table: staged.table });
  await session.dropStaged();
  return rows;
}

export interface ColumnDifference {
  existing: ColumnType[];
  added: ColumnType[];
  missing: ColumnType[];
  retyped: { name: string; from: string; type: string }[];
}

/** How the columns of a query differ from those of the table that there is. */
export function compareColumns(existing: ColumnType[], staged: ColumnType[]): ColumnDifference {
  const byName = (columns: readonly ColumnType[]) =>
    new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  const [old, fresh] = [byName(existing), byName(staged)];
  return {
    existing,
    added: staged.filter(({ name }) => !old.has(name.toLowerCase())),
    missing: existing.filter(({ name }) => !fresh.has(name.toLowerCase())),
    retyped: existing.flatMap(({ name, type }) => {
      const now = fresh.get(name.toLowerCase());
      return now === undefined || now.type === type ? [] : [{ name, from: type, type: now.type }];
    }),
  };
}

function isChanged({ added, missing, retyped }: ColumnDifference, node: ModelNode): boolean {
  // A contract gives the types: what the query yields was checked against it.
  return added.length + missing.length + (node.config.contract.enforced ? 0 : retyped.length) > 0;
}

/** Changes the table as `on_schema_change` says. Returns the columns that the new rows fill. */
async function followSchema(
  session: Session,
  node: ModelNode,
  { difference, staged }: { difference: ColumnDifference; staged: ColumnType[] },
): Promise<string[]> {
  const { existing, added, missing, retyped } = difference;
  const names = staged.map(({ name }) => name);
  switch (node.config.on_schema_change) {
    case "append_new_columns":
      await session.alterTable(node.relation, { add: added, drop: [], retype: [] });
      return names;
    case "sync_all_columns":
      await session.alterTable(node.relation, {
        add: added,
        drop: missing.map(({ name }) => name),
        retype: retyped,
      });
      return names;
    case "ignore":
      if (missing.length > 0) throw columnsChanged(node, difference);
      return existing.map(({ name }) => name);
    default:
      if (isChanged(difference, node)) throw columnsChanged(node, difference);
      return names;
  }
}

function columnsChanged(node: ModelNode, { added, missing, retyped }: ColumnDifference): ProjectError {
  const list = (label: string, columns: readonly ColumnType[]) =>
    columns.length === 0
      ? []
      : [`${label}: ${columns.map(({ name, type }) => `${name} ${type}`).join(", ")}`];
  return new ProjectError("INCREMENTAL_COLUMNS", {
    message: `the columns of "${node.name}" are not those of its table`,
    where: `${node.file}:1:1`,
    why: [
      ...list("in the query, not in the table", added),
      ...list("in the table, not in the query", missing),
      ...retyped.map(({ name, from, type }) => `${name} is ${from} in the table, ${type} in the query`),
      `on_schema_change is "${node.config.on_schema_change}"; the table is as it was`,
    ].slice(0, 10),
    hint: `build it anew with --full-refresh --select ${node.name}, or set on_schema_change to append_new_columns, sync_all_columns or full_refresh`,
  });
}

/** Adds the query's rows after `replace` has taken away those that they stand for. Returns how many. */
export async function addRows(
  session: Session,
  node: ModelNode,
  { sql, replace }: { sql: string; replace: () => Promise<void> },
): Promise<number> {
  const staged = await session.stageRows(sql);
  const difference = compareColumns(await session.columnsOf(node.relation), staged.columns);
  const columns = await followSchema(session, node, { difference, staged: staged.columns });
  await replace();
  await faultPoint("incremental.insert");
  const rows = await session.insertStaged(node.relation, columns);
  await session.dropStaged();
  return rows;
}

async function applyStrategy(
  session: Session,
  node: ModelNode,
  { columns, table }: { columns: readonly string[]; table: string },
): Promise<number> {
  const { relation, config } = node;
  const match = { keys: config.unique_key, predicates: config.incremental_predicates };
  const strategy = config.incremental_strategy ?? "delete+insert";
  checkKeys(node, columns);
  // Without a key no row matches another: every strategy adds.
  if (match.keys.length === 0 || strategy === "append") return session.insertStaged(relation, columns);
  if (strategy === "merge") {
    await checkDuplicates(session, node, table);
    return session.mergeStaged(relation, { ...match, columns, update: columnsToUpdate(node, columns) });
  }
  await session.deleteStaged(relation, match);
  await faultPoint("incremental.insert");
  return session.insertStaged(relation, columns);
}

function columnsToUpdate({ config }: ModelNode, columns: readonly string[]): string[] {
  const isIn = (list: readonly string[]) => {
    const names = new Set(list.map((name) => name.toLowerCase()));
    return (name: string) => names.has(name.toLowerCase());
  };
  if (config.merge_update_columns !== null) return columns.filter(isIn(config.merge_update_columns));
  const isLeft = isIn([...config.unique_key, ...(config.merge_exclude_columns ?? [])]);
  return columns.filter((column) => !isLeft(column));
}

function checkKeys(node: ModelNode, columns: readonly string[]): void {
  const known = new Set(columns.map((name) => name.toLowerCase()));
  const { unique_key, merge_update_columns } = node.config;
  for (const [key, names] of Object.entries({
    unique_key,
    merge_update_columns: merge_update_columns ?? [],
  })) {
    const unknown = names.filter((name) => !known.has(name.toLowerCase()));
    if (unknown.length === 0) continue;
    throw new ProjectError("INCREMENTAL_KEY", {
      message: `${key} of "${node.name}" names what is no column: ${unknown.join(", ")}`,
      where: `${node.file}:1:1`,
      why: [`columns: ${columns.join(", ")}`],
      hint: "name columns of the model; a key of several columns is a list",
    });
  }
}

/** Of two new rows with one key nobody can say which of them a merge keeps. */
async function checkDuplicates(session: Session, node: ModelNode, table: string): Promise<void> {
  const keys = node.config.unique_key.map((key) => `"${key.replaceAll('"', '""')}"`).join(", ");
  const { rows } = await session.query(
    `select ${keys}, count(*) from ${table} group by ${keys} having count(*) > 1 order by ${keys} limit 5`,
  );
  if (rows.length === 0) return;
  throw new ProjectError("INCREMENTAL_DUPLICATES", {
    message: `the new rows of "${node.name}" hold the same unique_key more than once`,
    where: `${node.file}:1:1`,
    why: rows.map((row) => {
      const count = row.at(-1);
      return `${row
        .slice(0, -1)
        .map((value) => JSON.stringify(value))
        .join(", ")}: ${count} rows`;
    }),
    hint: "leave one row per key in the query, or add columns to unique_key",
  });
}
