import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Dialect, type Engine, relationKey, type Session, SqlError } from "../../engines/engine.ts";
import { type CompileScope, compileInline } from "../graph/compile.ts";
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
      const result = await withSession(pool, (session, thread) =>
        takeSnapshot(
          ctx,
          { engine: pool.engine, session },
          { node, source: work.sources?.get(id) ?? pool.engine.nameOf(source.relation), isNew, thread },
        ),
      );
      report(ctx, result);
      return result;
    },
  });
  return work.snapshots.flatMap((snapshot) => results.get(snapshot.id) ?? []);
}

function isRelation(node: Node): node is RelationNode {
  return !["test", "unit_test", "exposure"].includes(node.kind);
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
    const rows = await addSnapshot(session, { dialect: engine, node, source, isNew, now: startedAt });
    return end({ status: "success", rows, error: null, reason: null });
  } catch (error) {
    if (ctx.signal.aborted) return end(interrupted);
    return end({ status: "error", rows: null, error: snapshotError(error, node), reason: null });
  }
}

/** Brings one snapshot to the state of its source at `now`. Returns how many versions were added. Throws SqlError. */
export async function addSnapshot(
  session: Session,
  of: { dialect: Dialect; node: SnapshotNode; source: string; isNew: boolean; now: Date },
): Promise<number> {
  const { node } = of;
  const sql = await describe(session, of);
  await checkKey(session, sql, node);
  return of.isNew
    ? session.replaceTable(node.relation, createQuery(sql))
    : session.transaction(() => addVersions(session, sql, node));
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

/** Returns how many versions were added. */
async function addVersions(session: Session, sql: SnapshotSql, node: SnapshotNode): Promise<number> {
  const existing = await session.query(`select * from ${sql.target} limit 0`);
  const known = new Set(existing.columns.map((name) => name.toLowerCase()));
  for (const { name, type } of sql.allColumns) {
    if (!known.has(name.toLowerCase()))
      await session.run(`alter table ${sql.target} add column ${sql.quote(name)} ${type}`);
  }
  let added = 0;
  if (node.config.hard_deletes === "new_record") added += await session.run(sql.insertDeleted);
  if (node.config.hard_deletes !== "ignore") await session.run(sql.closeDeleted);
  await session.run(sql.closeChanged);
  return added + (await session.run(sql.insertNew));
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

function report(ctx: Context, { node, status, rows, seconds, reason, error }: SnapshotResult): void {
  const fields = { snapshot: node.name, status, rows, seconds };
  if (status === "success") ctx.log.info("snapshot_taken", `took ${node.name}`, fields);
  else if (status === "skipped") ctx.log.warn("snapshot_skipped", `skipped ${node.name}: ${reason}`, fields);
  else if (error !== null) ctx.log.error("snapshot_failed", describeError(error), fields);
}
