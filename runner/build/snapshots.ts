import type { Context } from "../../core/context.ts";
import { ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Dialect, type Engine, type Session, SqlError } from "../../engines/engine.ts";
import { type CompileScope, compileInline } from "../graph/compile.ts";
import { withoutRows } from "../graph/empty.ts";
import { isEphemeral } from "../graph/ephemeral.ts";
import type { SnapshotNode } from "../graph/nodes.ts";
import { sqlProjectError } from "./models.ts";
import { executed, type Outcome } from "./outcome.ts";
import type { RelationResult } from "./results.ts";
import { createQuery, type SnapshotSql, snapshotSql } from "./snapshot-sql.ts";

/** The queries of the ephemeral models that snapshots are taken of, by the snapshots' ids. */
export function snapshotSources(
  ctx: Context,
  scope: CompileScope,
  snapshots: readonly SnapshotNode[],
): Map<string, string> {
  return new Map(
    snapshots.flatMap(({ id, dependsOn }) => {
      const source = scope.graph.nodes.get(dependsOn[0] ?? "");
      if (!isEphemeral(source)) return [];
      const { sql } = compileInline(ctx, scope, `select * from {{ ref('${source.name}') }}`);
      return [[id, `(${sql}\n)`]];
    }),
  );
}

export interface SnapshotRun {
  node: SnapshotNode;
  /** The relation or the query that it is taken of, as SQL names it. */
  source: string;
  isNew: boolean;
  /** Whether no rows are read: that they are absent says nothing. */
  isEmpty: boolean;
}

/** Takes a snapshot: ends the versions of rows that changed and adds the new ones, in one transaction. */
export function takeSnapshot(
  ctx: Context,
  { engine, session, thread }: { engine: Engine; session: Session; thread: number },
  { node, source: whole, isNew, isEmpty }: SnapshotRun,
): Promise<RelationResult> {
  const work = async (): Promise<Outcome> => {
    const source = isEmpty ? withoutRows(whole) : whole;
    const of = { dialect: engine, node, source, isNew, isEmpty, now: ctx.clock.now() };
    return { status: "success", ...(await addSnapshot(session, of)), error: null, reason: null };
  };
  const failureOf = (error: unknown) => ({ error: snapshotError(error, node) });
  return executed(ctx, { node, thread }, { work, failureOf });
}

/** Brings one snapshot to the state of its source at `now`. Returns how many versions were added. Throws SqlError. */
export async function addSnapshot(
  session: Session,
  of: {
    dialect: Dialect;
    node: SnapshotNode;
    source: string;
    isNew: boolean;
    /** Whether the source was left without rows: then nothing counts as deleted. */
    isEmpty?: boolean;
    now: Date;
  },
): Promise<{ rows: number; isUnchanged: boolean }> {
  const { node, isEmpty = false } = of;
  const sql = await describe(session, of);
  await checkKey(session, sql, node);
  return of.isNew
    ? { rows: await session.replaceTable(node.relation, createQuery(sql)), isUnchanged: false }
    : session.transaction(() => addVersions(session, sql, { node, isEmpty }));
}

async function describe(
  session: Session,
  of: { dialect: Dialect; node: SnapshotNode; source: string; now: Date },
): Promise<SnapshotSql> {
  const { columns, types } = await session.query(`select * from ${of.source} limit 0`);
  const typed = columns.map((name, index) => ({ name, type: types[index] ?? "VARCHAR" }));
  return snapshotSql({ ...of, columns: typed });
}

async function checkKey(session: Session, sql: SnapshotSql, node: SnapshotNode): Promise<void> {
  const twice = (await session.query(sql.duplicates)).rows[0];
  if (twice === undefined) return;
  const names = node.config.unique_key.join(", ");
  throw new ProjectError("SNAPSHOT_KEY", {
    message: `unique_key "${names}" is not unique: ${JSON.stringify(twice.slice(0, -1))} has ${String(twice.at(-1))} rows`,
    where: node.where,
    hint: "give it a unique_key that tells the rows apart; the snapshot stays as it was",
  });
}

/** Returns how many versions were added, and whether nothing at all was changed. */
async function addVersions(
  session: Session,
  sql: SnapshotSql,
  { node, isEmpty }: { node: SnapshotNode; isEmpty: boolean },
): Promise<{ rows: number; isUnchanged: boolean }> {
  const existing = await session.query(`select * from ${sql.target} limit 0`);
  const known = new Set(existing.columns.map((name) => name.toLowerCase()));
  const newColumns = sql.allColumns.filter(({ name }) => !known.has(name.toLowerCase()));
  for (const { name, type } of newColumns) {
    await session.run(`alter table ${sql.target} add column ${sql.quote(name)} ${type}`);
  }
  let rows = 0;
  let ended = 0;
  const { hard_deletes } = node.config;
  if (!isEmpty && hard_deletes === "new_record") rows += await session.run(sql.insertDeleted);
  if (!isEmpty && hard_deletes !== "ignore") ended += await session.run(sql.closeDeleted);
  ended += await session.run(sql.closeChanged);
  rows += await session.run(sql.insertNew);
  return { rows, isUnchanged: rows + ended + newColumns.length === 0 };
}

/** What went wrong while a snapshot was taken. */
export function snapshotError(error: unknown, node: SnapshotNode): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  return sqlProjectError("SNAPSHOT_SQL", error, {
    compiled: { sql: "", placeOf: () => node.where },
    fallback: node.where,
    missingTableHint: /Table with name .* does not exist/s.test(error.message)
      ? "build what it reads first: run models; or load it: run ingest"
      : "correct its unique_key, updated_at or check_cols",
  });
}
