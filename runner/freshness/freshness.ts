import type { Context } from "../../core/context.ts";
import { describeError, ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { type Session, SqlError } from "../../engines/engine.ts";
import { runInOrder } from "../build/execute.ts";
import { sqlProjectError } from "../build/models.ts";
import { type SessionPool, withSession } from "../build/session-pool.ts";
import { type CompileScope, compileAt } from "../graph/compile.ts";
import { type Age, type SourceNode, sourcesOf } from "../graph/nodes.ts";

export interface FreshnessResult {
  node: SourceNode;
  status: "pass" | "warn" | "error" | "runtime error";
  /** When the newest row was loaded; null when there is none, or when it could not be asked. */
  maxLoadedAt: Date | null;
  snapshottedAt: Date;
  ageSeconds: number | null;
  error: ProjectError | null;
  startedAt: Date;
  endedAt: Date;
  seconds: number;
  thread: number;
}

/** Source tables that have a rule of freshness, of the chosen ones. */
export function sourcesToCheck(scope: CompileScope, selected: ReadonlySet<string>): SourceNode[] {
  return sourcesOf(scope.graph).filter((source) => source.freshness !== null && selected.has(source.id));
}

/** Queries of the sources, by id: one value, the newest time. Throws ProjectErrors for their templates. */
export function compileFreshness(
  ctx: Context,
  scope: CompileScope,
  sources: readonly SourceNode[],
): Map<string, string> {
  const render = (source: SourceNode, sql: string) =>
    sql.includes("{{")
      ? compileAt(ctx, scope, { file: source.file, sql, relation: source.relation }).sql
      : sql;
  return new Map(
    sources.flatMap((source) => {
      const { loadedAtField, loadedAtQuery, freshness } = source;
      if (loadedAtQuery !== null) return [[source.id, render(source, loadedAtQuery)]];
      if (loadedAtField === null) return [];
      const filter = freshness?.filter ? `\nwhere ${render(source, freshness.filter)}` : "";
      const from = scope.dialect.nameOf(source.relation);
      return [[source.id, `select max(${render(source, loadedAtField)})\nfrom ${from}${filter}`]];
    }),
  );
}

/** How old the newest row of each source table is. A table that cannot be asked is a result, too. */
export async function checkFreshness(
  ctx: Context,
  pool: SessionPool,
  work: { sources: readonly SourceNode[]; queries: ReadonlyMap<string, string> },
): Promise<FreshnessResult[]> {
  const byId = new Map(work.sources.map((source) => [source.id, source]));
  const results = await runInOrder([...byId.keys()], {
    dependencies: () => [],
    limit: pool.size,
    work: async (id) => {
      const node = byId.get(id);
      if (node === undefined) throw new Error(`no source ${id} in this run`);
      const result = await withSession(pool, (session, thread) =>
        checkSource(ctx, session, { node, thread, sql: work.queries.get(id), nowOf: pool.engine.epochMs }),
      );
      if (result.error !== null) ctx.log.error("freshness_unknown", describeError(result.error), { id });
      return result;
    },
  });
  return work.sources.flatMap((source) => results.get(source.id) ?? []);
}

async function checkSource(
  ctx: Context,
  session: Session,
  of: { node: SourceNode; thread: number; sql: string | undefined; nowOf: (sql: string) => string },
): Promise<FreshnessResult> {
  const { node, thread, sql } = of;
  const startedAt = ctx.clock.now();
  const end = (outcome: Pick<FreshnessResult, "status" | "maxLoadedAt" | "ageSeconds" | "error">) => {
    const endedAt = ctx.clock.now();
    const seconds = (endedAt.getTime() - startedAt.getTime()) / 1000;
    return { node, thread, startedAt, endedAt, seconds, snapshottedAt: startedAt, ...outcome };
  };
  try {
    if (sql === undefined) throw fieldMissing(node);
    const maxLoadedAt = await newestTime(session, sql, of.nowOf);
    const ageSeconds = maxLoadedAt === null ? null : (startedAt.getTime() - maxLoadedAt.getTime()) / 1000;
    return end({ status: verdict(node, ageSeconds), maxLoadedAt, ageSeconds, error: null });
  } catch (error) {
    ctx.signal.throwIfAborted();
    const problem = freshnessError(error, node);
    return end({ status: "runtime error", maxLoadedAt: null, ageSeconds: null, error: problem });
  }
}

async function newestTime(
  session: Session,
  sql: string,
  epochMs: (sql: string) => string,
): Promise<Date | null> {
  const head = `select ${epochMs("newest")} as newest_ms from (\n`;
  const rows = await session.query(`${head}${sql.replace(/[\s;]+$/, "")}\n) as loaded(newest)`);
  const newest = rows.rows[0]?.[0] ?? null;
  return newest === null ? null : new Date(Number(newest));
}

/** A table without rows is as old as can be, as in dbt. */
function verdict({ freshness }: SourceNode, ageSeconds: number | null): "pass" | "warn" | "error" {
  const isOlder = (age: Age | null | undefined) =>
    age !== null && age !== undefined && (ageSeconds === null || ageSeconds > secondsOf(age));
  if (isOlder(freshness?.errorAfter)) return "error";
  return isOlder(freshness?.warnAfter) ? "warn" : "pass";
}

const PERIOD_SECONDS = { minute: 60, hour: 3600, day: 86_400 } as const;

function secondsOf({ count, period }: Age): number {
  return count * PERIOD_SECONDS[period];
}

function fieldMissing(node: SourceNode): ProjectError {
  return new ProjectError("FRESHNESS_FIELD", {
    message: `${node.sourceName}.${node.name} has freshness, and nothing says when its rows were loaded`,
    where: node.where,
    hint: "give it loaded_at_field: a column with that time, or loaded_at_query",
  });
}

function freshnessError(error: unknown, node: SourceNode): ProjectError {
  const [known] = projectErrorsOf(error);
  if (known !== undefined) return known;
  if (!(error instanceof SqlError)) throw error;
  const compiled = { sql: "", placeOf: () => node.where };
  return sqlProjectError("FRESHNESS_SQL", error, {
    compiled,
    fallback: node.where,
    missingTableHint: /does not exist/.test(error.message)
      ? "load it first: run ingest; or correct the names of source and table"
      : "correct loaded_at_field, loaded_at_query or filter",
  });
}
