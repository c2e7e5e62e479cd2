import type { Dialect } from "../../engines/engine.ts";
import type { SnapshotNode } from "../graph/nodes.ts";

interface TypedColumn {
  name: string;
  type: string;
}

/** The statements of a snapshot. Those that change it are run in the order in which they stand here. */
export interface SnapshotSql {
  target: string;
  quote: (name: string) => string;
  /** Of the source, and dbt's own. */
  allColumns: TypedColumn[];
  /** Keys that more than one row has, and how many. */
  duplicates: string;
  versions: string;
  /** A version that says that the row is gone, for every row that is. */
  insertDeleted: string;
  closeDeleted: string;
  closeChanged: string;
  /** A version for every row that has no current one: new, changed or come back. */
  insertNew: string;
}

/** The rows of the source as first versions. */
export function createQuery(sql: SnapshotSql): string {
  return sql.versions;
}

export function snapshotSql(of: {
  node: SnapshotNode;
  source: string;
  dialect: Dialect;
  columns: readonly TypedColumn[];
  now: Date;
}): SnapshotSql {
  const { dialect, columns } = of;
  const { config, relation } = of.node;
  const quote = dialect.quote;
  const names = { ...META_COLUMNS, ...config.snapshot_meta_column_names };
  const meta = (key: keyof typeof META_COLUMNS) => quote(names[key]);
  const target = dialect.nameOf(relation);
  const { source } = of;
  const now = `cast(${dialect.literal(of.now.toISOString().replace(/[TZ]/g, " ").trim())} as timestamp)`;
  const updatedAt = config.updated_at === null ? now : quote(config.updated_at);
  const timeType = columns.find(({ name }) => name === config.updated_at)?.type ?? "TIMESTAMP";
  const open = `cast(${config.dbt_valid_to_current ?? "null"} as ${timeType})`;
  const keys = config.unique_key.map(quote);
  // dbt's formula, so that a snapshot that dbt began goes on here.
  const parts = (time: string) => [...keys, time].map((part) => `coalesce(cast(${part} as varchar), '')`);
  const hash = (time: string) => dialect.helpers.hash?.(parts(time).join(" || '|' || ")) ?? "null";
  const marksDeleted = config.hard_deletes === "new_record";
  const list = columns.map(({ name }) => quote(name)).join(", ");
  const metaList = [
    ...[meta("dbt_scd_id"), meta("dbt_updated_at"), meta("dbt_valid_from"), meta("dbt_valid_to")],
    ...(marksDeleted ? [meta("dbt_is_deleted")] : []),
  ].join(", ");
  const metaValues = (time: string, isDeleted: string) =>
    [
      `${hash(time)} as ${meta("dbt_scd_id")}, cast(${time} as ${timeType}) as ${meta("dbt_updated_at")}`,
      `cast(${time} as ${timeType}) as ${meta("dbt_valid_from")}, ${open} as ${meta("dbt_valid_to")}`,
      ...(marksDeleted ? [`'${isDeleted}' as ${meta("dbt_is_deleted")}`] : []),
    ].join(", ");
  const versions = `select ${list}, ${metaValues(updatedAt, "False")} from ${source}`;
  const validTo = `kept.${meta("dbt_valid_to")}`;
  const isCurrent =
    config.dbt_valid_to_current === null
      ? `${validTo} is null`
      : `(${validTo} is null or ${validTo} = ${open})`;
  const isDeleted = `coalesce(kept.${meta("dbt_is_deleted")}, 'False') = 'True'`;
  const sameKey = (other: string) =>
    keys.map((key) => `kept.${key} is not distinct from ${other}.${key}`).join(" and ");
  const isGone = `${isCurrent}${marksDeleted ? ` and not ${isDeleted}` : ""} and not exists (select 1 from ${source} as present where ${sameKey("present")})`;
  const checked = config.check_cols === "all" ? columns.map(({ name }) => name) : (config.check_cols ?? []);
  const isChanged =
    config.strategy === "timestamp"
      ? `kept.${meta("dbt_valid_from")} < fresh.${meta("dbt_valid_from")}`
      : checked.map((name) => `kept.${quote(name)} is distinct from fresh.${quote(name)}`).join(" or ");
  const isOver = marksDeleted ? `(${isChanged} or ${isDeleted})` : `(${isChanged})`;
  return {
    target,
    quote,
    allColumns: [...columns, ...(marksDeleted ? [{ name: names.dbt_is_deleted, type: "VARCHAR" }] : [])],
    duplicates: `select ${keys.join(", ")}, count(*) as n from ${source} group by ${keys.join(", ")} having count(*) > 1 limit 1`,
    versions,
    insertDeleted: `insert into ${target} (${list}, ${metaList}) select ${list}, ${metaValues(now, "True")} from ${target} as kept where ${isGone}`,
    closeDeleted: `update ${target} as kept set ${meta("dbt_valid_to")} = ${now} where ${isGone}`,
    closeChanged: `update ${target} as kept set ${meta("dbt_valid_to")} = fresh.${meta("dbt_valid_from")} from (${versions}) as fresh where ${sameKey("fresh")} and ${isCurrent} and ${isOver}`,
    insertNew: `insert into ${target} (${list}, ${metaList}) select ${list}, ${metaList} from (${versions}) as fresh where not exists (select 1 from ${target} as kept where ${isCurrent} and ${sameKey("fresh")})`,
  };
}

/** dbt's columns; `snapshot_meta_column_names` may rename them. */
export const META_COLUMNS = {
  dbt_scd_id: "dbt_scd_id",
  dbt_updated_at: "dbt_updated_at",
  dbt_valid_from: "dbt_valid_from",
  dbt_valid_to: "dbt_valid_to",
  dbt_is_deleted: "dbt_is_deleted",
};
