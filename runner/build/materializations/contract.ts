import type { Context } from "../../../core/context.ts";
import { ProjectError } from "../../../core/errors.ts";
import { type ColumnType, type Session, SqlError, type TableDefinition } from "../../../engines/engine.ts";
import type { Column, Constraint, ModelNode } from "../../graph/nodes.ts";

/**
 * Checks what a query yields against the model's contract, before anything is replaced. Returns the table to
 * create; undefined without a contract. Throws CONTRACT_BROKEN, CONTRACT_TYPE.
 */
export async function checkContract(
  ctx: Context,
  session: Session,
  { node, sql }: { node: ModelNode; sql: string },
): Promise<TableDefinition | undefined> {
  if (!node.config.contract.enforced) return undefined;
  const found = new Map(
    (await session.columnsOfQuery(sql)).map((column) => [column.name.toLowerCase(), column]),
  );
  const declared = await declaredTypes(session, node);
  const differences = differencesOf(declared, found);
  if (differences.length > 0) throw contractBroken(node, differences);
  warnUnenforced(ctx, node);
  return {
    columns: declared.map(({ column, type }) => ({
      name: column.name,
      type: isAnyDecimal(column) ? (found.get(column.name.toLowerCase())?.type ?? type) : type,
      constraints: column.constraints.flatMap(columnClause),
    })),
    constraints: node.constraints.flatMap(tableClause),
  };
}

interface DeclaredColumn {
  column: Column;
  /** As the engine spells it. */
  type: string;
}

async function declaredTypes(session: Session, node: ModelNode): Promise<DeclaredColumn[]> {
  const casts = node.columns.map(({ dataType }, index) => `cast(null as ${dataType}) as c${index}`);
  try {
    const types = await session.columnsOfQuery(`select ${casts.join(", ")}`);
    return node.columns.map((column, index) => ({ column, type: types[index]?.type ?? "" }));
  } catch (error) {
    if (!(error instanceof SqlError)) throw error;
    throw await unknownType(session, node, error);
  }
}

async function unknownType(session: Session, node: ModelNode, error: SqlError): Promise<ProjectError> {
  const wrong: string[] = [];
  for (const { name, dataType } of node.columns) {
    await session.columnsOfQuery(`select cast(null as ${dataType}) as c`).catch(() => {
      wrong.push(`${name}: ${dataType}`);
    });
  }
  return new ProjectError("CONTRACT_TYPE", {
    message: `the contract of "${node.name}" names types that the engine does not know`,
    where: node.patchFile ?? node.file,
    why: wrong,
    hint: "correct data_type",
    cause: error,
  });
}

interface Difference {
  name: string;
  declared: string;
  found: string;
}

const NONE = "–";

function differencesOf(
  declared: readonly DeclaredColumn[],
  found: ReadonlyMap<string, ColumnType>,
): Difference[] {
  const differences = declared.flatMap(({ column, type }): Difference[] => {
    const actual = found.get(column.name.toLowerCase())?.type;
    if (actual === type || (isAnyDecimal(column) && actual?.startsWith("DECIMAL"))) return [];
    return [{ name: column.name, declared: type, found: actual ?? NONE }];
  });
  const names = new Set(declared.map(({ column }) => column.name.toLowerCase()));
  const extra = [...found.values()].filter(({ name }) => !names.has(name.toLowerCase()));
  return [...differences, ...extra.map(({ name, type }) => ({ name, declared: NONE, found: type }))];
}

/** Without precision and scale a decimal stands for any, as in dbt. */
function isAnyDecimal({ dataType }: Column): boolean {
  return /^\s*(decimal|numeric|dec)\s*$/i.test(dataType ?? "");
}

const MAX_DIFFERENCES = 8;

function contractBroken(node: ModelNode, differences: readonly Difference[]): ProjectError {
  const shown = [
    { name: "column", declared: "contract", found: "query" },
    ...differences.slice(0, MAX_DIFFERENCES),
  ];
  const width = (key: "name" | "declared") => Math.max(...shown.map((row) => row[key].length));
  const [names, types] = [width("name"), width("declared")];
  const hidden = differences.length - MAX_DIFFERENCES;
  return new ProjectError("CONTRACT_BROKEN", {
    message: `the columns of "${node.name}" break its contract`,
    where: `${node.file}:1:1`,
    why: [
      ...shown.map(
        ({ name, declared, found }) => `${name.padEnd(names)}   ${declared.padEnd(types)}   ${found}`,
      ),
      ...(hidden > 0 ? [`… ${hidden} more`] : []),
    ],
    hint: `change the select, or the columns in ${node.patchFile ?? "its YAML"}; readers keep the former table`,
  });
}

function columnClause({ type, expression }: Constraint): string[] {
  if (type === "not_null") return ["not null"];
  if (type === "unique" || type === "primary_key") return [type.replace("_", " ")];
  if (type === "check") return [`check (${expression})`];
  return type === "custom" ? [expression ?? ""] : [];
}

function tableClause({ type, expression, columns = [] }: Constraint): string[] {
  const list = columns.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
  if (type === "unique" || type === "primary_key") return [`${type.replace("_", " ")} (${list})`];
  if (type === "check") return [`check (${expression})`];
  // A table cannot say it of several columns at once.
  if (type === "not_null")
    return columns.map((name) => `check ("${name.replaceAll('"', '""')}" is not null)`);
  return type === "custom" ? [expression ?? ""] : [];
}

/** A foreign key would keep the table that it points to from ever being replaced. */
function warnUnenforced(ctx: Context, node: ModelNode): void {
  const all = [...node.columns.flatMap(({ constraints }) => constraints), ...node.constraints];
  const isView = node.config.materialized === "view";
  const types = all
    .filter(({ type, warn_unenforced }) => (isView || type === "foreign_key") && warn_unenforced !== false)
    .map(({ type }) => type);
  if (types.length === 0) return;
  const list = [...new Set(types)].join(", ");
  ctx.log.warn(
    "constraint_unenforced",
    `${node.name}: ${list} is not enforced${isView ? " on a view" : ""}; a data test checks it`,
  );
}
