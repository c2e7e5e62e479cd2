import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Engine, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import { type CompileScope, compileInline, withoutRows } from "../graph/compile.ts";
import { isEphemeral, readsOf } from "../graph/ephemeral.ts";
import type { Graph, Node, RelationNode, SnapshotNode } from "../graph/nodes.ts";
import { runInOrder } from "./execute.ts";
import { sqlProjectError } from "./models.ts";
import type { SnapshotResult } from "./results.ts";
import { type SessionPool, withSession } from "./session-pool.ts";
import { createQuery, type SnapshotSql, snapshotSql } from "./snapshot-sql.ts";

/** Takes the snapshots: ends the versions of rows that changed and adds the new ones, each in one transaction. */
export async function takeSnapshots(
  ctx: Context,
  pool: SessionPool,
  work: {
    graph: Graph;
    snapshots: readonly SnapshotNode[];
    /** SQL for what a snapshot reads, where that is no relation; by its id. */
    sources?: ReadonlyMap<string, string>;
    /** Whether no rows are read; then nothing counts as deleted. */
    isEmpty?: boolean;
  },
): Promise<SnapshotResult[]> {
  await pool.engine.createSchemas(new Set(work.snapshots.map(({ relation }) => relation.schema)));
  const built = await pool.engine.relations();
  const byId = new Map(work.snapshots.map((snapshot) => [snapshot.id, snapshot]));
  const results = await runInOrder([...byId.keys()], {
    dependencies: (id) => readsOf(work.graph, byId.get(id) ?? { dependsOn: [] }),
    limit: pool.size,
    work: async (id) => {
      const node = byId.get(id);
      const source = work.graph.nodes.get(node?.dependsOn[0] ?? "");
      if (node === undefined || source === undefined || !isRelation(source))
        throw new Error(`no snapshot ${id} in this run`);
      const isNew = !built.has(relationKey(node.relation));
      const whole = work.sources?.get(id) ?? pool.engine.nameOf(source.relation);
      const isEmpty = work.isEmpty ?? false;
      const result = await withSession(pool, (session, thread) =>
        takeSnapshot(
          ctx,
          { engine: pool.engine, session },
          { node, source: isEmpty ? withoutRows(whole) : whole, isNew, isEmpty, thread },
        ),
      );
      report(ctx, result);
      return result;
    },
  });
  return work.snapshots.flatMap((snapshot) => results.get(snapshot.id) ?? []);
}

function isRelation(node: Node): node is RelationNode {
  return node.kind !== "test" && node.kind !== "exposure";
}

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

interface Work {
  node: SnapshotNode;
  /** A relation or a query, as SQL names it. */
  source: string;
  isNew: boolean;
  /** Whether no rows are read: that they are absent says nothing. */
  isEmpty: boolean;
  thread: number;
}

async function takeSnapshot(
  ctx: Context,
  { engine, session }: { engine: Engine; session: Session },
  work: Work,
): Promise<SnapshotResult> {
  const { node, source, isNew, thread } = work;
  const startedAt = ctx.clock.now();
  const end = (outcome: Pick<SnapshotResult, "status" | "rows" | "error" | "reason">): SnapshotResult => {
    const endedAt = ctx.clock.now();
    const seconds = (endedAt.getTime() - startedAt.getTime()) / 1000;
    return { node, thread, startedAt, endedAt, seconds, ...outcome };
  };
  const interrupted = {
    status: "skipped",
    rows: null,
    error: null,
    reason: "the run was interrupted",
  } as const;
  if (ctx.signal.aborted) return end(interrupted);
  try {
    const sql = await describe(session, { engine, node, source, now: startedAt });
    await checkKey(session, sql, node);
    const rows = isNew
      ? await session.replaceTable(node.relation, createQuery(sql))
      : await session.transaction(() => addVersions(session, sql, work));
    return end({ status: "success", rows, error: null, reason: null });
  } catch (error) {
    if (ctx.signal.aborted) return end(interrupted);
    return end({ status: "error", rows: null, error: snapshotError(error, node), reason: null });
  }
}

async function describe(
  session: Session,
  of: { engine: Engine; node: SnapshotNode; source: string; now: Date },
): Promise<SnapshotSql> {
  const { columns, types } = await session.query(`select * from ${of.source} limit 0`);
  const typed = columns.map((name, index) => ({ name, type: types[index] ?? "VARCHAR" }));
  return snapshotSql({ ...of, dialect: of.engine, columns: typed });
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

/** Returns how many versions were added. */
async function addVersions(
  session: Session,
  sql: SnapshotSql,
  { node, isEmpty }: Pick<Work, "node" | "isEmpty">,
): Promise<number> {
  const existing = await session.query(`select * from ${sql.target} limit 0`);
  const known = new Set(existing.columns.map((name) => name.toLowerCase()));
  for (const { name, type } of sql.allColumns) {
    if (!known.has(name.toLowerCase()))
      await session.run(`alter table ${sql.target} add column ${sql.quote(name)} ${type}`);
  }
  let added = 0;
  const { hard_deletes } = node.config;
  if (!isEmpty && hard_deletes === "new_record") added += await session.run(sql.insertDeleted);
  if (!isEmpty && hard_deletes !== "ignore") await session.run(sql.closeDeleted);
  await session.run(sql.closeChanged);
  return added + (await session.run(sql.insertNew));
}

function snapshotError(error: unknown, node: SnapshotNode): ProjectError {
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

function report(ctx: Context, { node, status, rows, seconds, reason, error }: SnapshotResult): void {
  const fields = { snapshot: node.name, status, rows, seconds };
  if (status === "success") ctx.log.info("snapshot_taken", `took ${node.name}`, fields);
  else if (status === "skipped") ctx.log.warn("snapshot_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error("snapshot_failed", describeError(error), fields);
}
